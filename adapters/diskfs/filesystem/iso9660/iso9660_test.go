package iso9660_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"testing"
	"testing/fstest"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/iso9660"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

const block = 2048

// disc is a volume made by hand, without Rock Ridge or Joliet.
type disc struct {
	b []byte
}

func both32(n uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, n), n)
}

// record is a directory record.
func record(name string, flags byte, extent, size uint32, systemUse ...byte) []byte {
	b := make([]byte, 33, 255)
	copy(b[2:], both32(extent))
	copy(b[10:], both32(size))
	copy(b[18:], []byte{124, 5, 6, 7, 8, 9, 4}) // 2024-05-06 07:08:09 +0100
	b[25], b[32] = flags, byte(len(name))
	b = append(b, name...)
	if len(name)%2 == 0 {
		b = append(b, 0)
	}
	b = append(b, systemUse...)
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	b[0] = byte(len(b))
	return b
}

func newDisc(records ...[]byte) *disc {
	d := &disc{b: make([]byte, 40*block)}
	self := record("\x00", 2, 20, block)
	pvd := d.b[16*block:]
	copy(pvd, "\x01CD001\x01")
	copy(pvd[40:], "BY HAND                         ")
	copy(pvd[80:], both32(40))
	binary.LittleEndian.PutUint16(pvd[128:], block)
	copy(pvd[156:], self)
	copy(d.b[17*block:], "\xffCD001\x01")
	at := d.b[20*block:]
	for _, r := range append([][]byte{self, record("\x01", 2, 20, block)}, records...) {
		at = at[copy(at, r):]
	}
	return d
}

func (d *disc) open(t testing.TB) *fstree.FS {
	t.Helper()
	f, err := iso9660.Open(bytes.NewReader(d.b), int64(len(d.b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAFileInSeveralExtentsIsOneFile(t *testing.T) {
	d := newDisc(record("BIG.BIN;1", 0x80, 25, block), record("BIG.BIN;1", 0x80, 30, block), record("BIG.BIN;1", 0, 27, 100), record("OTHER.;1", 0, 28, 5))
	var want []byte
	for _, x := range []struct{ at, n int }{{25, block}, {30, block}, {27, 100}} {
		part := bytes.Repeat([]byte{byte(x.at)}, x.n)
		copy(d.b[x.at*block:], part)
		want = append(want, part...)
	}
	fsys := d.open(t)
	list, err := fs.ReadDir(fsys, ".")
	if err != nil || len(list) != 2 || list[0].Name() != "big.bin" || list[1].Name() != "other" {
		t.Fatalf("the root lists %v, %v", list, err)
	}
	if got, err := fs.ReadFile(fsys, "big.bin"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d, or they differ: %v", len(got), len(want), err)
	}
	f, err := fsys.Open("big.bin")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	across := make([]byte, 20)
	if _, err := f.(io.ReaderAt).ReadAt(across, block-10); err != nil || !bytes.Equal(across, want[block-10:block+10]) {
		t.Errorf("across extents: %v, %v", across, err)
	}
}

func TestNamesOfPlainDiscsAreMappedAsTheKernelDoes(t *testing.T) {
	d := newDisc(record("A.TXT;1", 0, 25, 1), record("B.;1", 0, 25, 1), record("C;1", 0, 25, 1), record("D.TXT;2", 0, 25, 1), record("DIR", 2, 20, block))
	fsys := d.open(t)
	var got []string
	list, err := fs.ReadDir(fsys, ".")
	for _, e := range list {
		got = append(got, e.Name())
	}
	if s := fmt.Sprint(got); err != nil || s != "[a.txt b c d.txt.2 dir]" {
		t.Errorf("got %s, %v", s, err)
	}
	if _, err := fs.Stat(fsys, "A.Txt"); err != nil {
		t.Errorf("names differ in case: %v", err)
	}
}

func TestWhatIsNotReadIsRefusedByName(t *testing.T) {
	interleaved := record("I.;1", 0, 25, 1)
	interleaved[26], interleaved[27] = 1, 1
	if _, err := fs.ReadFile(newDisc(interleaved).open(t), "i"); !errors.Is(err, fstree.ErrUnsupported) {
		t.Errorf("an interleaved file: %v", err)
	}
	sierra := make([]byte, 40*block)
	copy(sierra[16*block+9:], "CDROM")
	if _, err := iso9660.Open(bytes.NewReader(sierra), int64(len(sierra))); !errors.Is(err, fstree.ErrUnsupported) {
		t.Errorf("High Sierra: %v", err)
	}
	for _, size := range []int{0, 100, 40 * block} {
		if _, err := iso9660.Open(bytes.NewReader(make([]byte, size)), int64(size)); !errors.Is(err, fstree.ErrNotThis) {
			t.Errorf("%d bytes of zeroes: %v", size, err)
		}
	}
}

func TestADamagedRecordSparesTheNextBlock(t *testing.T) {
	d := newDisc(record("BEFORE.;1", 0, 25, 1), []byte{5, 1, 2, 3, 4})
	binary.LittleEndian.PutUint32(d.b[20*block+10:], 2*block) // "." says that the directory has two blocks
	copy(d.b[21*block:], record("AFTER.;1", 0, 25, 1))
	list, err := fs.ReadDir(d.open(t), ".")
	if !errors.Is(err, fstree.ErrDamaged) || len(list) != 2 {
		t.Errorf("got %v, %v; want both good entries and the damage", list, err)
	}
}

func TestItIsAFilesystemByTheStandardLibrarysTest(t *testing.T) {
	for name, files := range map[string][]string{
		"iso9660-rock-ridge-and-joliet": {"lower.txt", "日本語.txt"},
		"iso9660-relocated":             {"level/level/level/level/level/level/level/level/level/file.txt"},
		"iso9660-zisofs":                {"200000", "zeroes"},
	} {
		image := fstreetest.Image(t, name)
		fsys, err := iso9660.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Fatal(err)
		}
		if err := fstest.TestFS(fsys, files...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func open(r io.ReaderAt, size int64) (fs.FS, error) { return iso9660.Open(r, size) }

func TestDamagedImagesDoNoHarm(t *testing.T) {
	names := []string{"iso9660-relocated"}
	if oracle.Long() {
		names = append(names, "iso9660-rock-ridge", "iso9660-joliet", "iso9660-zisofs")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) { fstreetest.Mutate(t, name, open) })
	}
}

func FuzzOpen(f *testing.F) {
	images := [][]byte{fstreetest.Image(f, "iso9660-relocated"), fstreetest.Image(f, "iso9660-joliet"), fstreetest.Image(f, "iso9660-zisofs")}
	f.Add(uint8(0), uint32(16*block+156), []byte{34, 0, 1, 0, 0, 0})
	f.Add(uint8(1), uint32(20*block), []byte{0xff})
	f.Add(uint8(2), uint32(25*block), []byte("CE\x1c\x01\x19\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, which uint8, off uint32, patch []byte) {
		image := bytes.Clone(images[int(which)%len(images)])
		copy(image[int(off)%len(image):], patch)
		fsys, err := iso9660.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			return
		}
		fstreetest.ReadAll(t, fsys, int64(len(image)))
	})
}

func ExampleOpen() {
	img, err := qedfile.Open("../../../../testdata/iso9660.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()

	fsys, err := iso9660.Open(img, img.Size())
	if err != nil {
		log.Fatal(err)
	}
	target, err := fs.ReadLink(fsys, "etc/hello")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(fsys.Info().Label, target)
	// Output: EXAMPLE ../usr/bin/hello
}
