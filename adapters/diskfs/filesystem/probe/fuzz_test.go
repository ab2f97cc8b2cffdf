package probe_test

import (
	"bytes"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
)

// reads counts what Identify asks for.
type reads struct {
	r        *bytes.Reader
	n, bytes int
}

func (c *reads) ReadAt(p []byte, off int64) (int, error) {
	c.n++
	c.bytes += len(p)
	return c.r.ReadAt(p, off)
}

// FuzzIdentify holds Identify to its bound on reading, whatever is put into a
// volume that is something.
func FuzzIdentify(f *testing.F) {
	volumes := make([][]byte, 0, 9)
	for _, puts := range [][]put{mdV1(0), hfsplus(1024), zfs(), udf(2048, "0123456789abcdef"), udf(512, "x"),
		{{3, "NTFS    \x00\x02\x08"}, {48, le64(4)}, {64, "\xf6"}},
		{{3, "EXFAT   "}, {80, le32(8) + le32(8) + le32(16) + le32(100) + le32(2)}, {108, "\x09\x03"}},
		{{0, "\xeb\x58\x90mkfs.fat\x00\x02\x01\x20\x00\x02\x00\x00\x00\x00\xf8"}, {32, le32(100000) + le32(800)}, {44, le32(2)}, {510, "\x55\xaa"}},
		{{32768, "\x01CD001\x01"}, {32768 + 40, "LABEL"}, {34816, "\x02CD001\x01"}, {34816 + 88, "%/E"}},
	} {
		volume := make([]byte, 640<<10)
		for _, p := range puts {
			if p.off < int64(len(volume)) {
				copy(volume[p.off:], p.data)
			}
		}
		f.Add(uint8(len(volumes)), uint32(0), []byte{volume[0]})
		volumes = append(volumes, volume)
	}
	f.Fuzz(func(t *testing.T, which uint8, off uint32, patch []byte) {
		volume := bytes.Clone(volumes[int(which)%len(volumes)])
		copy(volume[int(off)%len(volume):], patch)
		c := &reads{r: bytes.NewReader(volume)}
		if _, err := probe.Identify(c, int64(len(volume))); err != nil {
			t.Fatalf("reading from memory failed: %v", err)
		}
		if c.n > 400 || c.bytes > 4<<20 {
			t.Fatalf("%d reads of %d bytes", c.n, c.bytes)
		}
	})
}
