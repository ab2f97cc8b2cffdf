package fat_test

import (
	"errors"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

func TestAFileThatNeedsMoreThanTheVolumeIsNotOpened(t *testing.T) {
	everyKind(t, func(t *testing.T, v *volume) {
		v.list(file("SMALL", 0x20, 10, 512), file("LARGE", 0x20, 11, 1<<31-1))
		v.chain(10)
		v.chain(11)
		fsys := v.open(t)
		if _, err := fsys.Open("small"); err != nil {
			t.Error(err)
		}
		if _, err := fsys.Open("large"); !errors.Is(err, fstree.ErrDamaged) {
			t.Errorf("2 GiB: %v", err)
		}
	})
}
