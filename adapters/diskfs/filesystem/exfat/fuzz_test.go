package exfat_test

import (
	"bytes"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/exfat"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

func TestDamagedImagesDoNoHarm(t *testing.T) {
	for _, name := range []string{"exfat-cluster4k", "exfat-cluster512"} {
		t.Run(name, func(t *testing.T) { fstreetest.Mutate(t, name, open) })
	}
}

// FuzzExFAT lists and reads whatever a small volume holds. The checksum of
// the boot region is made right: else nothing behind it would be reached.
func FuzzExFAT(f *testing.F) {
	v := newVolume()
	v.list(file("a file with a name", 0x20, 0, 9, 700, 300), file("dir", 0x10, noChain, 7, 512, 512))
	v.chain(9, 12)
	v.put(7, file("in it", 0x20, noChain, 14, 1000, 1000))
	f.Add(v.b[:heapAt+20*512])
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < heapAt {
			return
		}
		v := volume{b}
		v.sum()
		fsys, err := exfat.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		fstreetest.ReadAll(t, fsys, int64(len(b)))
	})
}
