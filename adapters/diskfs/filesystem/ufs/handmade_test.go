package ufs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ufs"
)

// What makefs does not write is put in here, from the definitions of FreeBSD.

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// slot is the inode of a file in an image of one cylinder group.
func slot(t *testing.T, image []byte, order binary.ByteOrder, name string) []byte {
	t.Helper()
	info, err := opened(t, image).Lstat(name)
	if err != nil {
		t.Fatal(err)
	}
	sb, size := image[super:], uint64(128)
	if order.Uint32(sb[1372:]) != 0x00011954 {
		size = 256
	}
	ino := info.Sys().(*fstree.Stat).Ino
	if ino >= uint64(order.Uint32(sb[184:])) {
		t.Fatalf("inode %d is not in the first group", ino)
	}
	return image[uint64(order.Uint32(sb[16:]))*uint64(order.Uint32(sb[52:]))+ino*size:][:size]
}

func stat(t *testing.T, image []byte, name string) *fstree.Stat {
	t.Helper()
	info, err := opened(t, image).Lstat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*fstree.Stat)
}

func TestPartsOfSecondsAndTimesOfBirthAreShown(t *testing.T) {
	image := fstreetest.Image(t, "ufs1-be")
	in := slot(t, image, be, "sizes/1.bin")
	for i, ns := range []uint32{111, 222222222, 1e9} {
		be.PutUint32(in[16+8*i:], ^uint32(uint32(1000*i)))
		be.PutUint32(in[20+8*i:], ns)
	}
	st := stat(t, image, "sizes/1.bin")
	if !st.Atime.Equal(time.Unix(-1, 111)) || !st.Mtime.Equal(time.Unix(-1001, 222222222)) || !st.Ctime.Equal(time.Unix(-2001, 0)) || !st.Btime.IsZero() {
		t.Errorf("%v %v %v %v", st.Atime, st.Mtime, st.Ctime, st.Btime)
	}
	image = fstreetest.Image(t, "ufs2-le")
	in = slot(t, image, le, "sizes/1.bin")
	for i := range uint64(4) {
		le.PutUint64(in[32+8*i:], 1<<33+i)
		le.PutUint32(in[64+4*i:], uint32(10+i))
	}
	st, s := stat(t, image, "sizes/1.bin"), int64(1<<33)
	if !st.Atime.Equal(time.Unix(s, 11)) || !st.Mtime.Equal(time.Unix(s+1, 10)) || !st.Ctime.Equal(time.Unix(s+2, 12)) || !st.Btime.Equal(time.Unix(s+3, 13)) {
		t.Errorf("%v %v %v %v", st.Atime, st.Mtime, st.Ctime, st.Btime)
	}
	clear(in[56:64])
	clear(in[76:80])
	if st = stat(t, image, "sizes/1.bin"); !st.Btime.IsZero() {
		t.Errorf("a time of birth of %v", st.Btime)
	}
	le.PutUint64(in[40:], 1<<62)
	if st = stat(t, image, "sizes/1.bin"); st.Mtime.Year() < 1<<20 {
		t.Error(st.Mtime)
	}
}

// attribute is a record of an attribute (struct extattr).
func attribute(order binary.ByteOrder, space byte, name, value string) []byte {
	base := (7 + len(name) + 7) &^ 7
	b := make([]byte, (base+len(value)+7)&^7)
	order.PutUint32(b, uint32(len(b)))
	b[4], b[5], b[6] = space, byte(len(b)-base-len(value)), byte(len(name))
	copy(b[7:], name)
	copy(b[base:], value)
	return b
}

func TestAttributesOfUFS2AreRead(t *testing.T) {
	for name, order := range map[string]binary.ByteOrder{"ufs2-le": le, "ufs2-be": be} {
		image := fstreetest.Image(t, name)
		block, frag := int(order.Uint32(image[super+48:])), int(order.Uint32(image[super+52:]))
		// At the end of the volume, where nothing else is: one block is full, the next begun.
		first, second := len(image)-2*block, len(image)-4*block
		long := strings.Repeat("v", block-100)
		const across = "across the blocks, and something more than is left of the first"
		list := slices.Concat(attribute(order, 1, "comment", "hello"), attribute(order, 2, "posix1e.acl_access", long),
			attribute(order, 1, "empty", ""), attribute(order, 3, "x", across))
		copy(image[first:][:block], list)
		copy(image[second:], list[block:])
		in := slot(t, image, order, "sizes/1.bin")
		order.PutUint32(in[92:], uint32(len(list)))
		order.PutUint64(in[96:], uint64(first/frag))
		order.PutUint64(in[104:], uint64(second/frag))
		got, err := stat(t, image, "sizes/1.bin").Xattrs()
		want := fmt.Sprint(map[string][]byte{
			"user.comment": []byte("hello"), "system.posix1e.acl_access": []byte(long), "user.empty": {}, "3.x": []byte(across),
		})
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %.200q, %v", name, got, err)
		}
		// What is left after the last is not in use.
		order.PutUint32(in[92:], uint32(len(list)+16))
		if got, err := stat(t, image, "sizes/1.bin").Xattrs(); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %.200q, %v", name, got, err)
		}
		for what, damage := range map[string]func(){
			"too long":            func() { order.PutUint32(image[first:], uint32(block*2+8)) },
			"shorter than a name": func() { order.PutUint32(image[first:], 8) },
			"outside":             func() { order.PutUint64(in[96:], 1<<40) },
			"more than two":       func() { order.PutUint32(in[92:], uint32(2*block+1)) },
		} {
			saved := bytes.Clone(image)
			damage()
			if _, err := stat(t, image, "sizes/1.bin").Xattrs(); !errors.Is(err, fstree.ErrDamaged) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
			copy(image, saved)
		}
	}
}

// holes are made by taking blocks away.
func TestHolesReadAsZeroes(t *testing.T) {
	const name, size, block = "sizes/2200000.bin", 2200000, 4096
	image := fstreetest.Image(t, "ufs2-le")
	want, err := fs.ReadFile(opened(t, image), name)
	if err != nil || len(want) != size {
		t.Fatal(len(want), err)
	}
	in := slot(t, image, le, name)
	first := le.Uint64(in[208:]) * 512 // addresses of blocks 12 to 523
	le.PutUint64(in[112+8*3:], 0)
	le.PutUint64(in[112+8*4:], 0)
	clear(image[first:][8*100 : 8*500])
	le.PutUint64(in[216:], 0) // and all after these
	clear(want[3*block : 5*block])
	clear(want[112*block : 512*block])
	clear(want[524*block:])
	fsys := opened(t, image)
	if got, err := fs.ReadFile(fsys, name); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	f, err := fsys.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	var runs []string
	for x, err := range f.(fstree.File).Extents(block, size) {
		if err != nil {
			t.Fatal(err)
		}
		if x.Hole {
			runs = append(runs, fmt.Sprintf("%d+%d", x.Start, x.Length))
		} else if got := image[x.Offset:][:x.Length]; !bytes.Equal(got, want[x.Start:][:x.Length]) {
			t.Errorf("the bytes at %d do not lie at %d", x.Start, x.Offset)
		}
	}
	if got := fmt.Sprint(runs); got != fmt.Sprintf("[%d+%d %d+%d %d+%d]", 3*block, 2*block, 112*block, 400*block, 524*block, size-524*block) {
		t.Errorf("holes %s", got)
	}
}

func TestBlocksMayOverlapOrLieAtTheEndOfTheVolume(t *testing.T) {
	const name, block = "sizes/49152.bin", 4096
	image := fstreetest.Image(t, "ufs2-le")
	in := slot(t, image, le, name)
	first := le.Uint64(in[112:])
	last := uint64(len(image)/512 - 8)
	le.PutUint64(in[120:], first+1)
	le.PutUint64(in[128:], last)
	b, err := fs.ReadFile(opened(t, image), name)
	if err != nil || !bytes.Equal(b[block:2*block], image[(first+1)*512:][:block]) || !bytes.Equal(b[2*block:3*block], image[last*512:]) {
		t.Error(err)
	}
	le.PutUint64(in[128:], last+1)
	if _, err := fs.ReadFile(opened(t, image), name); !errors.Is(err, fstree.ErrDamaged) {
		t.Error(err)
	}
}

func TestAFileOfHolesIsOneHole(t *testing.T) {
	image := fstreetest.Image(t, "ufs2-le")
	in := slot(t, image, le, "sizes/1.bin")
	const size = 500 << 30
	le.PutUint64(in[16:], size)
	clear(in[112:232])
	f, err := opened(t, image).Open("sizes/1.bin")
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	for x, err := range f.(fstree.File).Extents(0, size) {
		if steps++; err != nil || !x.Hole || x.Length != size {
			t.Errorf("%+v, %v", x, err)
		}
	}
	if steps != 1 {
		t.Errorf("%d extents", steps)
	}
}

func TestALinkWithoutBlocksIsInItsInode(t *testing.T) {
	image := fstreetest.Image(t, "ufs2-le")
	le.PutUint32(image[super+1320:], 4) // shorter ones alone are, by this
	if target, err := opened(t, image).ReadLink("link59"); err != nil || target != strings.Repeat("x", 59) {
		t.Errorf("%q, %v", target, err)
	}
	le.PutUint64(slot(t, image, le, "link500")[16:], 5000)
	if target, err := opened(t, image).ReadLink("link500"); !errors.Is(err, fstree.ErrDamaged) {
		t.Errorf("%d bytes, %v", len(target), err)
	}
}

func TestAnAddressOutsideTheVolumeIsDamage(t *testing.T) {
	const name = "sizes/2200000.bin"
	for what, damage := range map[string]func(in []byte){
		"of data":                   func(in []byte) { le.PutUint64(in[112:], 1<<50) },
		"of data, negative":         func(in []byte) { le.PutUint64(in[112:], 1<<63) },
		"of addresses":              func(in []byte) { le.PutUint64(in[208:], 8<<20/512-7) },
		"of addresses of addresses": func(in []byte) { le.PutUint64(in[216:], 1<<63+5) },
		"size":                      func(in []byte) { le.PutUint64(in[16:], 1<<60) },
		"negative size":             func(in []byte) { le.PutUint64(in[16:], 1<<63) },
	} {
		image := fstreetest.Image(t, "ufs2-le")
		damage(slot(t, image, le, name))
		fsys := opened(t, image)
		f, err := fsys.Open(name)
		if err == nil {
			_, err = io.Copy(io.Discard, f)
		}
		if !errors.Is(err, fstree.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
		if list, err := fsys.ReadDir("sizes"); err != nil || len(list) != 12 {
			t.Errorf("%s: %d files beside it, %v", what, len(list), err)
		}
	}
}

// A small volume would have files without end otherwise.
func TestNoMoreOfAFileIsStoredThanTheVolumeHolds(t *testing.T) {
	image := fstreetest.Image(t, "ufs2-le")
	in := slot(t, image, le, "sizes/2200000.bin")
	first := le.Uint64(in[208:])
	le.PutUint64(in[16:], 16<<20)
	second := image[le.Uint64(in[216:])*512:]
	for i := range 10 {
		le.PutUint64(second[8*i:], first)
	}
	if _, err := opened(t, image).Open("sizes/2200000.bin"); !errors.Is(err, fstree.ErrDamaged) {
		t.Error(err)
	}
}

func TestADeviceHasNoSize(t *testing.T) {
	image := fstreetest.Image(t, "ufs2-le")
	le.PutUint64(slot(t, image, le, "char")[16:], 5)
	if st := stat(t, image, "char"); st.Size != 0 || st.Major != 1 || st.Minor != 3 {
		t.Errorf("%d bytes, %d:%d", st.Size, st.Major, st.Minor)
	}
}

func TestASnapshotIsNamed(t *testing.T) {
	image := fstreetest.Image(t, "ufs2-be")
	be.PutUint32(slot(t, image, be, "sizes/1.bin")[88:], 0x00200000)
	if _, err := opened(t, image).Open("sizes/1.bin"); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "snapshot") {
		t.Error(err)
	}
}

// record is that of a file's name in its directory.
func record(t *testing.T, image []byte, name string) []byte {
	t.Helper()
	at := bytes.Index(image, append([]byte{byte(len(name))}, name+"\x00"...))
	if at < 0 {
		t.Fatalf("no %s", name)
	}
	return image[at-7:]
}

func names(t *testing.T, fsys *fstree.FS, dir string) (list []string, err error) {
	t.Helper()
	entries, err := fsys.ReadDir(dir)
	for _, d := range entries {
		list = append(list, d.Name())
	}
	return list, err
}

func TestDamagedDirectoriesShowTheRest(t *testing.T) {
	for what, damage := range map[string]func(rec []byte){
		"no length":            func(b []byte) { le.PutUint16(b[4:], 0) },
		"an odd length":        func(b []byte) { le.PutUint16(b[4:], le.Uint16(b[4:])+1) },
		"longer than a block":  func(b []byte) { le.PutUint16(b[4:], 516) },
		"a longer name":        func(b []byte) { b[7] = 9 },
		"an inode of 0 or 1":   func(b []byte) { le.PutUint32(b, 1) },
		"an inode not in use":  func(b []byte) { le.PutUint32(b, 100) },
		"an inode outside":     func(b []byte) { le.PutUint32(b, 1<<31) },
		"a type that it isn't": func(b []byte) { b[6] = 4 },
	} {
		image := fstreetest.Image(t, "ufs2-le")
		damage(record(t, image, "511.bin"))
		fsys := opened(t, image)
		list, err := names(t, fsys, "sizes")
		if len(list) < 2 {
			t.Errorf("%s: %q", what, list)
		}
		if _, err := fsys.Stat("sizes/511.bin"); what == "a longer name" && !errors.Is(err, fstree.ErrDamaged) {
			t.Error(err)
		}
		if what == "an odd length" && (err == nil || !strings.Contains(err.Error(), "a record of 17 bytes with a name of 7")) {
			t.Error(err)
		}
		if _, statErr := fsys.Stat("sizes/511.bin"); err == nil && statErr == nil {
			t.Errorf("%s: no error", what)
		}
		if _, err := fsys.Stat("a/b/c/file"); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestWhatIsDeletedOrHiddenIsNotListed(t *testing.T) {
	image := fstreetest.Image(t, "ufs2-le")
	le.PutUint32(record(t, image, "511.bin"), 0)
	hidden := record(t, image, "512.bin")
	le.PutUint32(hidden, 1)
	hidden[6] = 14
	list, err := names(t, opened(t, image), "sizes")
	if err != nil || len(list) != 10 || slices.Contains(list, "511.bin") || slices.Contains(list, "512.bin") {
		t.Errorf("%q, %v", list, err)
	}
}

// old turns a volume of UFS1 into one of before 4.4BSD, or of Solaris: no types in
// directories, no short links in inodes, owners of 16 bits.
func TestTheOldFormatsOfDirectoriesAndOwnersAreRead(t *testing.T) {
	for _, sun := range []bool{false, true} {
		image, _ := committed(t, "ufs1-be")
		in := slot(t, image, be, "sizes/1.bin")
		be.PutUint16(in[4:], 65535)
		be.PutUint16(in[6:], 7)
		be.PutUint32(in[120:], 100000)
		be.PutUint32(in[20:], 5) // microseconds of Solaris
		device := slot(t, image, be, "special/null")
		be.PutUint32(device[40:], 300<<18|70000)
		sb := image[super:]
		be.PutUint32(sb[1320:], 0)
		be.PutUint32(sb[1324:], 0)
		if sun {
			be.PutUint32(sb[1336:], 0x7c269d38-be.Uint32(sb[32:]))
		}
		// The length of a name has two bytes.
		for at := 0; at+8 < len(image); at += 4 {
			if rec := image[at:]; be.Uint16(rec[4:]) < 512 && be.Uint32(rec) > 0 && be.Uint32(rec) < 1000 && rec[7] > 0 && int(rec[7])+8 <= int(be.Uint16(rec[4:])) && be.Uint16(rec[4:])%4 == 0 && at > 1<<16 {
				rec[6] = 0
			}
		}
		fsys := opened(t, image)
		list, err := fsys.ReadDir("sizes")
		if err != nil || len(list) < 10 {
			t.Fatalf("%d entries, %v", len(list), err)
		}
		st := stat(t, image, "sizes/1.bin")
		uid, ns := uint32(65535), 5
		if sun {
			uid, ns = 100000, 5000
		}
		if st.UID != uid || st.GID != 7 || st.Atime.Nanosecond() != ns {
			t.Errorf("sun %v: owner %d:%d, %v", sun, st.UID, st.GID, st.Atime)
		}
		if st := stat(t, image, "special/null"); sun && (st.Major != 300 || st.Minor != 70000) {
			t.Errorf("sun: device %d:%d", st.Major, st.Minor)
		}
	}
}

func FuzzOpen(f *testing.F) {
	images := [][]byte{fstreetest.Image(f, "ufs1-le"), fstreetest.Image(f, "ufs1-be"), fstreetest.Image(f, "ufs2-le"), fstreetest.Image(f, "ufs2-be")}
	f.Add(uint8(0), uint32(super+48), []byte{16})
	f.Add(uint8(1), uint32(64<<10), []byte{0xff})
	f.Add(uint8(2), uint32(24576+512), []byte{0xff, 0x41})
	f.Fuzz(func(t *testing.T, which uint8, off uint32, patch []byte) {
		image := bytes.Clone(images[int(which)%len(images)])
		copy(image[int(off)%len(image):], patch)
		fsys, err := ufs.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			return
		}
		fstreetest.ReadAll(t, fsys, int64(len(image)))
	})
}

func ExampleOpen() {
	image, err := os.Open("testdata/hello.ufs")
	if err != nil {
		log.Fatal(err)
	}
	defer image.Close()
	info, err := image.Stat()
	if err != nil {
		log.Fatal(err)
	}
	fsys, err := ufs.Open(image, info.Size())
	if err != nil {
		log.Fatal(err)
	}
	b, err := fs.ReadFile(fsys, "hello.txt")
	fmt.Printf("%s %v\n", b, err)
	// Output: hello <nil>
}
