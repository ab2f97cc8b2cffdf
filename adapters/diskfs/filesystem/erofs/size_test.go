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
