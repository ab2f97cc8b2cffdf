package iso9660_test

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/iso9660"
)

func TestAFileThatEndsOutsideTheVolumeIsNotOpened(t *testing.T) {
	fsys := newDisc(record("LAST.;1", 0, 39, block), record("LONG.;1", 0, 39, block+1), record("FAR.;1", 0, 1<<31, 1<<31)).open(t)
	if _, err := fs.ReadFile(fsys, "last"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"long", "far"} {
		if _, err := fsys.Open(name); !errors.Is(err, fstree.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestABridgeToUDFIsNoted(t *testing.T) {
	for _, id := range []string{"NSR02", "NSR03", "NSR01"} {
		d := newDisc(record("FILE.;1", 0, 25, 1))
		for i, s := range []string{"BEA01", id, "TEA01"} {
			copy(d.b[(18+i)*block:], "\x00"+s+"\x01")
			if i == 2 {
				copy(d.b[20*block:], newDisc(record("FILE.;1", 0, 25, 1)).b[20*block:21*block])
			}
		}
		notes := d.open(t).Info().Notes
		if want := id != "NSR01"; want != (len(notes) == 1 && strings.Contains(notes[0], "UDF")) {
			t.Errorf("%s: notes %q", id, notes)
		}
	}
}

// makefs leaves out the mark of a directory that was moved: it is seen at both
// places, and the kernel shows both.
func TestADirectoryThatWasMovedWithoutAMarkHasBothPlaces(t *testing.T) {
	d := relocated(t)
	const deep = "level/level/level/level/level/level/level"
	for _, dir := range []string{deep + "/level", "rr_moved/level"} {
		if _, err := fs.Stat(d, dir+"/level/file.txt"); err != nil {
			t.Error(err)
		}
	}
	a, errA := d.Stat(deep + "/level/level")
	b, errB := d.Stat("rr_moved/level/level")
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	if id := a.Sys().(*fstree.Stat).FileID(); id != b.Sys().(*fstree.Stat).FileID() {
		t.Errorf("one directory has the identities %v and %v", id, b.Sys().(*fstree.Stat).FileID())
	}
}

// relocated is the disc of a deep tree without the marks (RE) of what was moved.
func relocated(t *testing.T) *fstree.FS {
	t.Helper()
	image := fstreetest.Image(t, "iso9660-relocated")
	mark := []byte("RE\x04\x01")
	if !bytes.Contains(image, mark) {
		t.Fatal("nothing was moved")
	}
	fsys, err := iso9660.Open(bytes.NewReader(bytes.ReplaceAll(image, mark, []byte("XX\x04\x01"))), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}
