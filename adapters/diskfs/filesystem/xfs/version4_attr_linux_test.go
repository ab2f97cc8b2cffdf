package xfs_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// TestVersion4AttributesInBlocks writes by hand what no tool at hand writes any
// more: extended attributes of version 4 in a leaf, and a value in blocks of
// its own. xfs_repair says whether they are as they should be.
func TestVersion4AttributesInBlocks(t *testing.T) {
	repair := oracle.Tool(t, "xfs_repair")
	b := fstreetest.Image(t, "xfs-v4")
	name := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	image, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	be := binary.BigEndian
	blockSize, agBlocks := int(be.Uint32(b[4:])), int(be.Uint32(b[84:]))
	inodeSize := int(be.Uint16(b[104:]))

	local, remote := []byte("in the leaf"), bytes.Repeat([]byte("0123456789"), 1000)
	free := agBlocks - 20 // the last blocks of the first group
	leaf := attrLeaf(blockSize, local, len(remote))
	copy(b[free*blockSize:], leaf)
	blocks := copy(b[(free+1)*blockSize:], remote)/blockSize + 1

	ino := stat(t, image, "sizes/4096").Ino
	inode := b[int(ino)*inodeSize:][:inodeSize] // in the first group numbers count inodes from its start
	const forkOffset = 15
	inode[82], inode[83] = forkOffset, 2
	be.PutUint16(inode[80:], 1)
	be.PutUint64(inode[64:], be.Uint64(inode[64:])+uint64(blocks)+1)
	fork := inode[100+forkOffset*8:]
	be.PutUint64(fork, 0)
	be.PutUint64(fork[8:], uint64(free)<<21|uint64(blocks+1))
	if _, err := image.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}

	// That the blocks are still counted as free is all there is to mend.
	out, _ := exec.Command(repair, "-n", "-o", "force_geometry", name).CombinedOutput()
	if strings.Contains(string(out), "would clear attr fork") || !strings.Contains(string(out), "claims free block") {
		t.Fatalf("xfs_repair: %s", out)
	}
	got, err := stat(t, image, "sizes/4096").Xattrs()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || !bytes.Equal(got["user.local"], local) || !bytes.Equal(got["trusted.remote"], remote) {
		t.Errorf("got %d attributes: %.300q", len(got), fmt.Sprint(got))
	}
}

// attrLeaf makes a leaf with the attributes user.local and trusted.remote
// (struct xfs_attr_leafblock); the latter's value is in the blocks behind it.
func attrLeaf(size int, local []byte, remote int) []byte {
	be := binary.BigEndian
	b := make([]byte, size)
	const head, entrySize = 32, 8
	localSize := (3 + len("local") + len(local) + 3) &^ 3
	remoteSize := (11 + len("remote") + 3) &^ 3 // C counts three bytes of padding
	localAt := size - localSize
	remoteAt := localAt - remoteSize
	be.PutUint16(b[8:], 0xfbee)
	be.PutUint16(b[12:], 2)
	be.PutUint16(b[14:], uint16(localSize+remoteSize))
	be.PutUint16(b[16:], uint16(remoteAt))
	be.PutUint16(b[20:], head+2*entrySize) // the free space between
	be.PutUint16(b[22:], uint16(remoteAt-head-2*entrySize))

	be.PutUint16(b[localAt:], uint16(len(local)))
	b[localAt+2] = uint8(len("local"))
	copy(b[localAt+3:], "local"+string(local))
	be.PutUint32(b[remoteAt:], 1)
	be.PutUint32(b[remoteAt+4:], uint32(remote))
	b[remoteAt+8] = uint8(len("remote"))
	copy(b[remoteAt+9:], "remote")

	// Entries are ordered by hash; "remote" has the smaller one.
	entry := func(at int, hash uint32, offset int, flags uint8) {
		be.PutUint32(b[at:], hash)
		be.PutUint16(b[at+4:], uint16(offset))
		b[at+6] = flags
	}
	entry(head, attrHash("remote"), remoteAt, 2)
	entry(head+entrySize, attrHash("local"), localAt, 1)
	return b
}

// attrHash is the hash of attributes' and files' names, seven bits a byte.
func attrHash(name string) uint32 {
	var hash uint32
	for _, c := range []byte(name) {
		hash = hash<<7 | hash>>25
		hash ^= uint32(c)
	}
	return hash
}
