package ext4_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ext4"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

// A file of 64 MiB whose every block is the same one of a volume of 8 MiB is
// damaged; a hole as long is not.
func TestAFileThatMapsOneBlockAgainAndAgainIsDamaged(t *testing.T) {
	le := binary.LittleEndian
	image := fstreetest.Image(t, "ext2-1k")
	const block = 1024
	table := int(le.Uint32(image[2*block+8:])) * block
	inodeSize := int(le.Uint16(image[1024+88:]))
	fsys, err := ext4.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	name, ino := fstreetest.FirstFile(t, fsys)
	inode := image[table+int(ino-1)*inodeSize:]
	clear(inode[40:100]) // no blocks
	le.PutUint32(inode[4:], (12+256+256*256)*block)
	open := func() error {
		fsys, err := ext4.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Fatal(err)
		}
		f, err := fsys.Open(name)
		if err == nil {
			f.Close()
		}
		return err
	}
	if err := open(); err != nil {
		t.Errorf("a hole: %v", err)
	}
	last := len(image)/block - 1 // and the one before are not in use
	fill := func(number int, value uint32) {
		for i := range block / 4 {
			le.PutUint32(image[number*block+4*i:], value)
		}
	}
	fill(last, uint32(last-1))
	fill(last-1, uint32(last-2))
	le.PutUint32(inode[40+4*13:], uint32(last))
	if err := open(); !errors.Is(err, fstree.ErrDamaged) {
		t.Errorf("one block for all: %v", err)
	}
}
