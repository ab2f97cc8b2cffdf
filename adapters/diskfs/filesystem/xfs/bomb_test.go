package xfs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/xfs"
)

// A file whose extents are all the same one is damaged, unless it says that it
// shares blocks, as far as they fit into the volume once.
func TestAFileThatMapsOneExtentAgainAndAgainIsDamaged(t *testing.T) {
	be := binary.BigEndian
	image := fstreetest.Image(t, "xfs-v4")
	fsys, err := xfs.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	name, ino := fstreetest.FirstFile(t, fsys)
	blockLog, inodesLog, groupLog := image[120], image[123], image[124]
	group := ino >> (groupLog + inodesLog)
	block := ino >> inodesLog & (1<<groupLog - 1)
	at := (group*uint64(be.Uint32(image[84:])) + block) << blockLog
	inode := image[at+ino&(1<<inodesLog-1)*uint64(be.Uint16(image[104:])):]
	if string(inode[:2]) != "IN" {
		t.Fatal("no inode")
	}
	length := uint64(be.Uint32(image[84:])) - 100 // blocks of the first group
	map1 := func(n uint64) {
		inode[5], inode[82] = 2, 0 // extents, no attributes
		be.PutUint64(inode[56:], n*length<<blockLog)
		be.PutUint32(inode[76:], uint32(n))
		for i := range n { // 54 bits of the file's block, 52 of the volume's, 21 of the length
			be.PutUint64(inode[100+16*i:], i*length<<9)
			be.PutUint64(inode[108+16*i:], 50<<21|length)
		}
	}
	open := func() error {
		fsys, err := xfs.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Fatal(err)
		}
		f, err := fsys.Open(name)
		if err == nil {
			f.Close()
		}
		return err
	}
	map1(1)
	if err := open(); err != nil {
		t.Errorf("one extent: %v", err)
	}
	map1(6)
	if err := open(); !errors.Is(err, fstree.ErrDamaged) {
		t.Errorf("six times the same: %v", err)
	}
}
