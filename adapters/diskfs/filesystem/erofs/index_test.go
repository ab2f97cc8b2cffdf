package erofs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/erofs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

// patched is an image whose file "sizes/200000.bin" may be changed.
type patched struct {
	image  []byte
	header int // of the index
}

const compressed = "sizes/200000.bin"

func patch(t *testing.T, name string) patched {
	t.Helper()
	p := patched{image: fstreetest.Image(t, name)}
	info, err := fs.Stat(opened(t, p.image), compressed)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	slot := int(le.Uint32(p.image[1024+40:]))<<p.image[1024+12] + int(info.Sys().(*fstree.Stat).Ino)*32
	p.header = slot + 32
	if p.image[slot]&1 != 0 {
		p.header += 32
	}
	if n := int(le.Uint16(p.image[slot+2:])); n > 0 {
		p.header += 12 + (n-1)*4
	}
	p.header = (p.header + 7) &^ 7
	return p
}

func (p patched) read(t *testing.T) ([]byte, error) {
	t.Helper()
	return fs.ReadFile(opened(t, p.image), compressed)
}

func opened(t *testing.T, image []byte) fs.FS {
	t.Helper()
	fsys, err := erofs.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

func refused(t *testing.T, what string, err error, is error, says string) {
	t.Helper()
	if !errors.Is(err, is) || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: %v", what, err)
	}
}

// The algorithm of a file is in the header of its index.
func TestCompressionsThatTheSuperblockDoesNotAnnounceAreRefusedByName(t *testing.T) {
	p := patch(t, "erofs-lz4")
	for i, name := range []string{"LZMA", "deflate", "Zstandard", "algorithm 4"} {
		p.image[p.header+6] = byte(i + 1)
		_, err := p.read(t)
		refused(t, name, err, fstree.ErrUnsupported, "compressed by "+name)
	}
	p.image[p.header+6], p.image[p.header+4] = 0, 0x40
	_, err := p.read(t)
	refused(t, "an unknown kind of index", err, fstree.ErrUnsupported, "0x40")
}

// A file of two compressions says of each cluster which it is. Here all become those
// of the second.
func TestTheSecondCompressionIsThatOfItsClusters(t *testing.T) {
	p := patch(t, "erofs-lz4-legacy")
	want, err := p.read(t)
	if err != nil {
		t.Fatal(err)
	}
	le, changed := binary.LittleEndian, 0
	p.image[p.header+6] = 1 // the first is one that is not announced, the second LZ4
	for at := p.header + 16; at < p.header+16+8*(len(want)/4096+1); at += 8 {
		if kind := le.Uint16(p.image[at:]); kind&3 == 1 {
			le.PutUint16(p.image[at:], kind|2)
			changed++
		}
	}
	if got, err := p.read(t); err != nil || !bytes.Equal(got, want) || changed == 0 {
		t.Errorf("%d clusters: %v", changed, err)
	}
}

func TestWhatHoldsOthersDoesNotLieInItself(t *testing.T) {
	image := fstreetest.Image(t, "erofs-boxed-zstd")
	for _, at := range []int{1024 + 96, 1024 + 128} { // fragments, metadata
		hostile := bytes.Clone(image)
		hostile[at+7] |= 0x80
		_, err := erofs.Open(bytes.NewReader(hostile), int64(len(hostile)))
		refused(t, "in the file of metadata", err, fstree.ErrDamaged, "itself")
	}
	p := patch(t, "erofs-zstd-fragments")
	if p.image[p.header+7]&0x80 == 0 {
		t.Fatal("the file is not a fragment")
	}
	info, err := fs.Stat(opened(t, p.image), compressed)
	if err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint64(p.image[1024+96:], info.Sys().(*fstree.Stat).Ino)
	_, err = p.read(t)
	refused(t, "a fragment of itself", err, fstree.ErrDamaged, "fragment of itself")
}

func TestAFragmentOutsideItsFileIsDamage(t *testing.T) {
	p := patch(t, "erofs-zstd-fragments")
	for _, at := range []uint64{1<<63 - 1, 1 << 62, 100 << 20} {
		binary.LittleEndian.PutUint64(p.image[p.header:], at|1<<63)
		_, err := p.read(t)
		refused(t, "outside", err, fstree.ErrDamaged, "fragment")
	}
	binary.LittleEndian.PutUint64(p.image[1024+96:], 0)
	if _, err := p.read(t); err == nil || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("without a file of fragments: %v", err)
	}
}

// An image without the second device still shows what lies on the first.
func TestWhatLiesOnADeviceThatIsNotThereIsRefusedByName(t *testing.T) {
	image := fstreetest.Image(t, "erofs-devices")
	first := int(binary.LittleEndian.Uint32(image[1024+36:])) << 12
	fsys := opened(t, image[:first])
	if _, err := fs.ReadDir(fsys, "sizes"); err != nil {
		t.Fatal(err)
	}
	_, err := fs.ReadFile(fsys, compressed)
	refused(t, "missing", err, fstree.ErrUnsupported, "device 1")

	slot := int(binary.LittleEndian.Uint16(image[1024+88:])) * 128
	clear(image[slot+68 : slot+72]) // where it would lie
	_, err = fs.ReadFile(opened(t, image), compressed)
	refused(t, "without a place", err, fstree.ErrUnsupported, "device 1")
}
