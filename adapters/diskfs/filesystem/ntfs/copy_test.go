package ntfs_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ntfs"
)

func TestTheCopyOfTheBootSectorIsUsedWhereTheFirstIsDamaged(t *testing.T) {
	for what, at := range map[string]int{"sector": 12, "sectors in a cluster": 13, "record": 64, "sectors": 47} {
		image := fstreetest.Image(t, "ntfs")
		whole, err := ntfs.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Fatal(err)
		}
		image[at] = 0x55
		fsys, err := ntfs.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		got, want := fsys.Info(), whole.Info()
		if len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "its copy is used") {
			t.Errorf("%s: notes %q", what, got.Notes)
		}
		if got.Label != want.Label || got.UUID != want.UUID || got.Size != want.Size || got.Free != want.Free {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
		copyAt := len(image) - 512
		for _, damage := range []func(){
			func() { image[copyAt+13] = 0x55 },
			func() { image[copyAt+3]++ },
			func() { image[copyAt+40]++ }, // of a volume of another size
		} {
			was := bytes.Clone(image[copyAt:])
			damage()
			if _, err := ntfs.Open(bytes.NewReader(image), int64(len(image))); !errors.Is(err, fstree.ErrDamaged) {
				t.Errorf("%s, and the copy: %v", what, err)
			}
			copy(image[copyAt:], was)
		}
	}
}
