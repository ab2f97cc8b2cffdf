package erofs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/erofs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

// Only the file that is damaged is lost, and not its directory.
func TestAFileOfANegativeSizeSparesItsSiblings(t *testing.T) {
	image := fstreetest.Image(t, "erofs-chunks")
	open := func() *fstree.FS {
		fsys, err := erofs.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Fatal(err)
		}
		return fsys
	}
	le, damaged := binary.LittleEndian, ""
	sound, err := open().ReadDir("sizes")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range sound {
		info, err := d.Info()
		if err != nil {
			t.Fatal(err)
		}
		at := uint64(le.Uint32(image[1024+40:]))*4096 + 32*info.Sys().(*fstree.Stat).Ino
		if extended := image[at]&1 != 0; extended && damaged == "" {
			damaged = d.Name()
			le.PutUint64(image[at+8:], 1<<63|5)
		}
	}
	if damaged == "" {
		t.Fatal("no inode has a size of 64 bits")
	}
	list, err := open().ReadDir("sizes")
	if err != nil || len(list) != len(sound) {
		t.Fatalf("%d entries of %d, %v", len(list), len(sound), err)
	}
	for _, d := range list {
		_, err := d.Info()
		if lost := d.Name() == damaged; lost != errors.Is(err, fstree.ErrDamaged) || d.IsDir() {
			t.Errorf("%s: %v", d.Name(), err)
		}
	}
}

func TestAFileWhoseBytesLieOutsideTheVolumeIsNotOpened(t *testing.T) {
	const name = "sizes/200000.bin"
	image := fstreetest.Image(t, "erofs-plain")
	open := func() *fstree.FS {
		fsys, err := erofs.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Fatal(err)
		}
		return fsys
	}
	info, err := open().Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	at := uint64(le.Uint32(image[1024+40:]))*4096 + 32*info.Sys().(*fstree.Stat).Ino
	if size := le.Uint32(image[at+8:]); size != 200000 {
		t.Fatalf("an inode of %d bytes", size)
	}
	le.PutUint32(image[at+8:], 0xFFFFFFF0)
	if _, err := open().Open(name); !errors.Is(err, fstree.ErrDamaged) {
		t.Error(err)
	}
}
