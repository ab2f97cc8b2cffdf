package vhd_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/qedfs/qedfs/adapters/images/internal/imagetest"
	"github.com/qedfs/qedfs/adapters/images/vhd"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

const module = "../../.."

// anyParent is the image that a differencing one of images is laid over.
type anyParent struct{ *qedfile.Raw }

func (anyParent) ID() vhd.ID { return vhd.ID{1} }

func open(r backend.Reader) (qedfile.Disk, error) {
	m, err := vhd.Open(r, &vhd.Options{Backing: func(qedfile.BackingRef) (qedfile.Disk, error) {
		raw, err := qedfile.NewRaw(backend.NewMemory(nil))
		return anyParent{raw}, err
	}})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// images are those of the tools, and a differencing one.
func images(tb testing.TB) map[string][]byte {
	tb.Helper()
	b := imagetest.MachineImages(tb, module, "*.vhd")
	d := &imagetest.Difference{ParentID: [16]byte{1}, ParentName: "base.vhd", Data: bytes.Repeat([]byte{7}, 3<<20), Written: func(s int64) bool { return s/50%2 == 0 }}
	b["differencing"] = d.VHD(64 << 10)
	return b
}

// mend sets the checksums of the footers and of the header right.
func mend(b []byte) {
	for _, part := range []struct{ at, n, sum int }{{0, 512, 64}, {len(b) - 512, 512, 64}, {512, 1024, 36}} {
		if part.at >= 0 && part.at+part.n <= len(b) {
			sumUp(b[part.at:][:part.n], part.sum)
		}
	}
}

func sumUp(b []byte, at int) {
	clear(b[at : at+4])
	sum := uint32(0)
	for _, c := range b {
		sum += uint32(c)
	}
	binary.BigEndian.PutUint32(b[at:], ^sum)
}

func TestMutantsEndInAnErrorAtWorst(t *testing.T) {
	imagetest.Mutants(t, images(t), []int64{0, 512, 1536, 2048, 2560}, mend, open)
}

func FuzzOpen(f *testing.F) { imagetest.FuzzPatches(f, images(f), mend, open) }

func TestHeadersThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		at   int
		b    string
		want error
	}{
		{"type 5", 60, "\x00\x00\x00\x05", qedfile.ErrFormat},
		{"version 2", 12, "\x00\x02", qedfile.ErrUnsupported},
		{"a disk larger than numbers", 48, "\xff\xff\xff\xff\xff\xff\xff\xff", qedfile.ErrFormat},
		{"a header past all files", 16, "\x7f\xff\xff\xff\xff\xff\xff\xff", qedfile.ErrFormat},
		{"a header past the end", 16, "\x00\x00\x00\x00\xff\x00\x00\x00", qedfile.ErrFormat},
		{"no header", 512, "X", qedfile.ErrFormat},
		{"a header of version 2", 512 + 24, "\x00\x02", qedfile.ErrUnsupported},
		{"blocks of no bytes", 512 + 32, "\x00\x00\x00\x00", qedfile.ErrFormat},
		{"blocks of 3 MiB", 512 + 32, "\x00\x30\x00\x00", qedfile.ErrFormat},
		{"blocks of 2 GiB", 512 + 32, "\x80\x00\x00\x00", qedfile.ErrFormat},
		{"a table past all files", 512 + 16, "\x7f\xff\xff\xff\xff\xff\xff\x00", qedfile.ErrFormat},
		{"a table longer than the file", 512 + 28, "\x40\x00\x00\x00", qedfile.ErrFormat},
		{"a table too short for the disk", 512 + 28, "\x00\x00\x00\x01", qedfile.ErrFormat},
	} {
		b := imagetest.MachineImages(t, module, "dynamic-size.vhd")["dynamic-size.vhd"]
		copy(b[c.at:], c.b)
		copy(b[len(b)-512:], b[:512])
		mend(b)
		if _, err := open(backend.NewMemory(b)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestTheFooterIsFoundWhereItCanBe: at the end, one byte short as before 2004,
// or its copy.
func TestTheFooterIsFoundWhereItCanBe(t *testing.T) {
	images := imagetest.MachineImages(t, module, "*.vhd")
	dynamic, fixed := images["dynamic.vhd"], images["fixed.vhd"]
	damage := func(b []byte, at int) []byte { b = bytes.Clone(b); b[at] ^= 1; return b }
	short := func(b []byte) []byte { b = bytes.Clone(b); b[len(b)-1] = 0; mend(b); return b[:len(b)-1] }
	for name, c := range map[string]struct {
		b  []byte
		ok bool
	}{
		"a copy is enough":   {damage(dynamic, len(dynamic)-100), true},
		"the end is enough":  {damage(dynamic, 100), true},
		"neither":            {damage(damage(dynamic, 100), len(dynamic)-100), false},
		"an old dynamic one": {short(dynamic), true}, "an old fixed one": {short(fixed), true},
		"a fixed one has no copy": {damage(fixed, len(fixed)-100), false},
		"nothing":                 {make([]byte, 4096), false}, "less": {make([]byte, 10), false},
	} {
		if _, err := open(backend.NewMemory(c.b)); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTheSizeIsThatOfTheCreator: the geometry's, where the creator goes by it.
func TestTheSizeIsThatOfTheCreator(t *testing.T) {
	const stored, geometry = 5767168, 166 * 4 * 17 * 512
	for creator, want := range map[string]int64{"qemu": geometry, "vpc ": geometry, "win ": stored, "vbox": stored, "qem2": stored} {
		b := imagetest.MachineImages(t, module, "dynamic-size.vhd")["dynamic-size.vhd"]
		for _, at := range []int{0, len(b) - 512} {
			copy(b[at+28:], creator)
			copy(b[at+56:], "\x00\xa6\x04\x11") // 166 cylinders, 4 heads, 17 sectors
		}
		mend(b)
		m, err := open(backend.NewMemory(b))
		if err != nil {
			t.Fatal(err)
		}
		if m.Size() != want {
			t.Errorf("%q: %d bytes, want %d", creator, m.Size(), want)
		}
	}
}

func TestADamagedEntryIsAnErrorForItsBlockAlone(t *testing.T) {
	b := imagetest.MachineImages(t, module, "dynamic.vhd")["dynamic.vhd"]
	copy(b[1536:], "\x00\xff\xff\x00") // of block 0
	m, err := open(backend.NewMemory(b))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	p := make([]byte, 512)
	if _, err := m.ReadAt(p, 0); !errors.Is(err, qedfile.ErrCorrupt) {
		t.Errorf("a block past the end of the file: %v", err)
	}
	if _, err := m.ReadAt(p, 2<<20); err != nil {
		t.Errorf("the block behind it: %v", err)
	}
}
