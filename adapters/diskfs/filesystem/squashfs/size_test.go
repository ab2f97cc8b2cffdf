package squashfs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/squashfs"
)

func TestAFileWhoseBlocksEndOutsideTheVolumeIsNotOpened(t *testing.T) {
	const name, stored = "sizes/200000.bin", 1 << 24
	image := fstreetest.Image(t, "squashfs-stored")
	open := func() *fstree.FS {
		fsys, err := squashfs.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Fatal(err)
		}
		return fsys
	}
	info, err := open().Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	place := info.Sys().(*fstree.Stat).FileID().ID.Ino
	// The metadata is not compressed: the inode lies as it is after the block's
	// two bytes of length, and the lengths of the file's blocks after 32 of it.
	at := binary.LittleEndian.Uint64(image[64:]) + place>>16 + 2 + place&0xFFFF
	if kind := binary.LittleEndian.Uint16(image[at:]); kind != 2 {
		t.Fatalf("an inode of type %d", kind)
	}
	binary.LittleEndian.PutUint32(image[at+32:], stored|0xFFFFFF)
	if _, err := open().Open(name); !errors.Is(err, fstree.ErrDamaged) {
		t.Error(err)
	}
}
