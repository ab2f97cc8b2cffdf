package diskmap_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/diskmap"
)

// draw returns a picture, and fails unless it is well-formed.
func draw(t *testing.T, m *diskmap.Map) string {
	t.Helper()
	var b bytes.Buffer
	if err := m.WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(bytes.NewReader(b.Bytes()))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return b.String()
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestAPictureNamesEveryPiece(t *testing.T) {
	m := diskmap.New("a <b> & c", "10 MiB", 10<<20, 1<<20)
	m.FormatSize = func(n int64) string { return fmt.Sprintf("%d KiB", n>>10) }
	m.AddFile(diskmap.Header, 0, 64<<10)
	m.AddFile(diskmap.L1, 64<<10, 256<<10)
	m.AddFile(diskmap.Leak, 960<<10, 64<<10)
	m.AddDisk(diskmap.Data, 0, 64<<10, 320<<10, "")
	m.AddDisk(diskmap.Data, 1<<20, 128<<10, 704<<10, "")
	m.AddDisk(diskmap.Zero, 2<<20, 1<<20, -1, "")
	m.AddDisk(diskmap.Backing, 3<<20, 1<<20, 0, "base.raw")
	svg := draw(t, m)
	for _, want := range []string{
		">a &lt;b&gt; &amp; c</text>",
		"192 KiB of data in 2 pieces; 1 of them do not follow",
		"<title>disk 0x0, 64 KiB: data, in the file at 0x50000</title>",
		"<title>disk 0x100000, 128 KiB: data, in the file at 0xb0000</title>",
		"<title>disk 0x200000, 1024 KiB: zero clusters</title>",
		"<title>disk 0x300000, 1024 KiB: in base.raw</title>",
		"<title>file 0x0, 64 KiB: header</title>",
		"<title>file 0x10000, 256 KiB: L1 table</title>",
		"<title>file 0x60000, 320 KiB: L2 tables</title>",
		"<title>file 0xd0000, 128 KiB: L2 tables</title>",
		"<title>file 0xf0000, 64 KiB: leaked clusters</title>",
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture lacks %q", want)
		}
	}
	if n := strings.Count(svg, "<path d=\"M") - strings.Count(svg, "v6\""); n != 2 {
		t.Errorf("%d ribbons, want 2", n)
	}
}

func TestAPictureOfManyPiecesIsBounded(t *testing.T) {
	const cluster, clusters = 64 << 10, 1 << 18
	m := diskmap.New("big", "", 4*clusters*cluster, 2*clusters*cluster)
	m.FormatSize = func(n int64) string { return fmt.Sprintf("%d KiB", n>>10) }
	m.AddFile(diskmap.Header, 0, cluster)
	for i := int64(0); i < clusters; i++ {
		m.AddDisk(diskmap.Data, 4*i*cluster, cluster, (i*7919%clusters+100)*cluster, "")
	}
	if n := len(draw(t, m)); n > 1<<20 {
		t.Errorf("%d bytes", n)
	}
}

func TestExtremeSizesAreDrawn(t *testing.T) {
	for _, m := range []*diskmap.Map{
		diskmap.New("", "", 0, 0),
		diskmap.New("", "", 1<<63-512, 1<<63-512),
		diskmap.New("", "", 512, 64),
	} {
		m.AddDisk(diskmap.Data, 0, 512, 64, "")
		m.AddDisk(diskmap.Data, 512, 1<<62, 1<<62, "")
		m.AddFile(diskmap.Leak, 1<<62, 1<<62)
		if svg := draw(t, m); strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Error("the picture holds numbers that are none")
		}
	}
}
