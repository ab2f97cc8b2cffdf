package fat_test

import (
	"bytes"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fat"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

func TestDamagedImagesDoNoHarm(t *testing.T) {
	for _, name := range []string{"fat-12-floppy", "fat-16", "fat-32"} {
		t.Run(name, func(t *testing.T) { fstreetest.Mutate(t, name, open) })
	}
}

// FuzzFAT lists and reads whatever a volume of a few sectors holds.
func FuzzFAT(f *testing.F) {
	for _, bits := range []int{12, 16, 32} {
		v := newVolume(bits, 40)
		v.list(long(units("a file with a name"), "AFILE~1"), file("AFILE~1", 0x20, 5, 700), file("DIR", 0x10, 7, 0))
		v.chain(5, 9)
		v.chain(7)
		v.put(7, craftedSlots()[:512])
		f.Add(v.b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fsys, err := fat.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		fstreetest.ReadAll(t, fsys, int64(len(b)))
	})
}
