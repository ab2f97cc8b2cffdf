package hfsplus_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
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

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/hfsplus"
)

// What Linux does not write is put in here, from Apple's definitions.

var le = binary.LittleEndian

// blank is a volume in blocks of 4096 bytes to which files are added.
type blank struct {
	l       layout
	catalog [][]byte
	attrs   [][]byte
	image   []byte
	next    int // free block
}

const blankBlocks = 512

// newBlank has a catalog and an attributes file that are written by done.
func newBlank(sensitive bool) *blank {
	l := layout{block: 4096, node: 8192, size: blankBlocks * 4096, catalogBlocks: 8, sensitive: sensitive}
	return &blank{l: l, image: l.image(), next: 100}
}

// key is the key of an attribute.
func attrKey(file uint32, name string) []byte {
	b := put(nil, uint16(12+2*len(name)), uint16(0), file, uint32(0), uint16(len(name)))
	for _, c := range name {
		b = be.AppendUint16(b, uint16(c))
	}
	return b
}

func (v *blank) attr(file uint32, name string, value []byte) {
	b := append(attrKey(file, name), put(nil, uint32(0x10), uint64(0), uint32(len(value)), value)...)
	v.attrs = append(v.attrs, append(b, make([]byte, len(b)&1)...))
}

// store puts bytes into blocks of their own and describes the fork.
func (v *blank) store(data []byte) []byte {
	blocks := (len(data) + 4095) / 4096
	copy(v.image[v.next*4096:], data)
	b := put(nil, uint64(len(data)), uint32(4096), uint32(blocks), uint32(v.next), uint32(blocks))
	v.next += blocks
	return append(b, make([]byte, 80-len(b))...)
}

// file adds a file; kind is of its Finder info, flags its owner's.
func (v *blank) file(parent, id uint32, name, kind string, special uint32, flags uint8, data, resource []byte) {
	b := put(catalogKey(parent, name), uint16(2), uint16(0), uint32(0), id, uint32(made), uint32(made), uint32(made), uint32(made), uint32(0),
		uint32(501), uint32(20), uint8(0), flags, uint16(0o100644), special, []byte(fmt.Sprintf("%-16s", kind))[:16], make([]byte, 24), v.store(data), v.store(resource))
	if kind == "" {
		clear(b[len(b)-248+48:][:16])
	}
	v.catalog = append(v.catalog, b)
}

func (v *blank) folder(parent, id uint32, name string) {
	v.catalog = append(v.catalog, put(catalogKey(parent, name), uint16(1), uint16(0), uint32(0), id, uint32(0), uint32(made), uint32(made), uint32(made), uint32(0),
		uint32(0), uint32(0), uint16(0), uint16(0), uint32(0), make([]byte, 40)))
	v.catalog = append(v.catalog, put(catalogKey(id, ""), uint16(3), uint16(0), catalogKey(parent, name)[2:]))
}

// done writes the trees, sorted as the volume compares names.
func (v *blank) done() []byte {
	h := v.image[1024:]
	catalogAt := int(be.Uint32(h[272+16:]))
	old := v.image[catalogAt*4096+8192:]
	folder := bytes.Clone(old[14:be.Uint16(old[8192-4:])])
	thread := bytes.Clone(old[be.Uint16(old[8192-4:]):be.Uint16(old[8192-6:])])
	records := append([][]byte{folder, thread}, v.catalog...)
	name := func(b []byte) string {
		s := string(b[8 : 2+be.Uint16(b)])
		if !v.l.sensitive {
			s = strings.ToLower(strings.ReplaceAll(s, "\x00\x00", "\xff\xff")) // NUL comes last
		}
		return s
	}
	slices.SortFunc(records, func(a, b []byte) int {
		if c := bytes.Compare(a[2:6], b[2:6]); c != 0 {
			return c
		}
		return strings.Compare(name(a), name(b))
	})
	clear(v.image[catalogAt*4096:][:8*4096])
	kind := uint8(0xCF)
	if v.l.sensitive {
		kind = 0xBC
	}
	v.l.tree(v.image, catalogAt, 8, 516, kind, 6, records...)
	if len(v.attrs) > 0 {
		v.l.tree(v.image, v.next, 8, 266, 0, 6, v.attrs...)
		copy(h[352:], v.l.forkData(v.next, 8))
	}
	return v.image
}

func deflate(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// header is what the attribute of a compressed file begins with.
func header(method uint32, size int) []byte {
	b := append([]byte("fpmc"), make([]byte, 12)...)
	le.PutUint32(b[4:], method)
	le.PutUint64(b[8:], uint64(size))
	return b
}

func TestCompressedFilesAreExpanded(t *testing.T) {
	long := bytes.Repeat([]byte("The quick brown fox. "), 8000) // 168,000 bytes, three pieces
	v := newBlank(false)
	// zlib in the resource fork: a header of 256 bytes, a length, the places, the pieces.
	var pieces [][]byte
	for i := 0; i < len(long); i += 65536 {
		pieces = append(pieces, deflate(t, long[i:min(i+65536, len(long))]))
	}
	pieces[2] = append([]byte{0xFF}, long[131072:]...) // as it is
	table := le.AppendUint32(nil, uint32(len(pieces)))
	row, at := []byte{}, 4*(len(pieces)+1)
	for i, off := 0, 4+8*len(pieces); i < len(pieces); i++ {
		table = le.AppendUint32(le.AppendUint32(table, uint32(off)), uint32(len(pieces[i])))
		off += len(pieces[i])
	}
	all := slices.Concat(pieces...)
	fork := append(be.AppendUint32(nil, 256), make([]byte, 252)...)
	fork = append(be.AppendUint32(fork, uint32(len(table)+len(all))), append(table, all...)...)
	// LZVN: "abcd" and a match of 96 bytes that repeats it, then as it is, then as that again.
	lzvn := []byte{0xE4, 'a', 'b', 'c', 'd', 0x38, 4, 0xF6, 0xF0, 64, 0x06, 0, 0, 0, 0, 0, 0, 0}
	abcd := bytes.Repeat([]byte("abcd"), 25)
	big := append(bytes.Repeat([]byte{'x'}, 65536), "rest"...)
	one := []byte{0xE1, 'x', 0x38, 1, 0xFF}
	for n := 1 + 10 + 15; n < 65536; n += 271 {
		one = append(one, 0xF0, 255)
	}
	for _, piece := range [][]byte{one, append([]byte{0x06}, "rest"...)} {
		row = le.AppendUint32(row, uint32(at-4))
		at += len(piece)
	}
	row = le.AppendUint32(row, uint32(at-4))
	lzvnFork := slices.Concat(row, one, []byte{0x06}, []byte("rest"))

	v.file(2, 20, "inline zlib", "", 0, 0x20, nil, nil)
	v.attr(20, "com.apple.decmpfs", append(header(3, 1000), deflate(t, long[:1000])...))
	v.file(2, 21, "inline stored", "", 0, 0x20, nil, nil)
	v.attr(21, "com.apple.decmpfs", append(append(header(3, 5), 0xFF), "hello"...))
	v.file(2, 22, "fork zlib", "", 0, 0x20, nil, fork)
	v.attr(22, "com.apple.decmpfs", header(4, len(long)))
	v.file(2, 23, "inline lzvn", "", 0, 0x20, nil, nil)
	v.attr(23, "com.apple.decmpfs", append(header(7, len(abcd)), lzvn...))
	v.file(2, 24, "fork lzvn", "", 0, 0x20, nil, lzvnFork)
	v.attr(24, "com.apple.decmpfs", header(8, len(big)))
	v.file(2, 25, "plain", "", 0, 0x20, nil, nil)
	v.attr(25, "com.apple.decmpfs", append(header(1, 5), "plain"...))
	v.file(2, 26, "raw", "", 0, 0x20, nil, nil)
	v.attr(26, "com.apple.decmpfs", append(append(header(9, 3), 0xCC), "raw"...))
	v.file(2, 27, "lzfse", "", 0, 0x20, nil, nil)
	v.attr(27, "com.apple.decmpfs", header(11, 3))
	v.file(2, 28, "other", "", 0, 0x20, nil, nil)
	v.attr(28, "com.apple.decmpfs", header(99, 3))
	v.file(2, 29, "none", "", 0, 0x20, nil, nil)
	v.file(2, 30, "short", "", 0, 0x20, nil, nil)
	v.attr(30, "com.apple.decmpfs", append(header(3, 1001), deflate(t, long[:1000])...))
	fsys := opened(t, v.done())
	for name, want := range map[string][]byte{
		"inline zlib": long[:1000], "inline stored": []byte("hello"), "fork zlib": long, "inline lzvn": abcd, "fork lzvn": big,
		"plain": []byte("plain"), "raw": []byte("raw"),
	} {
		got, err := fs.ReadFile(fsys, name)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(want), err)
		}
		info, err := fsys.Stat(name)
		if err != nil || info.Size() != int64(len(want)) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		st := info.Sys().(*fstree.Stat)
		if list, err := st.Xattrs(); err != nil || len(list) != 0 {
			t.Errorf("%s: %q, %v", name, list, err)
		}
	}
	for name, want := range map[string]error{"lzfse": errors.ErrUnsupported, "other": errors.ErrUnsupported, "none": fstree.ErrDamaged, "short": fstree.ErrDamaged} {
		if _, err := fs.ReadFile(fsys, name); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f, err := fsys.Open("fork zlib")
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	if _, err := f.(io.ReaderAt).ReadAt(b, 131072-50); err != nil || !bytes.Equal(b, long[131072-50:][:100]) {
		t.Error(err)
	}
}

func TestNamesLeadToWhatHasSeveral(t *testing.T) {
	for _, sensitive := range []bool{false, true} {
		v := newBlank(sensitive)
		v.folder(2, 40, "\x00\x00\x00\x00HFS+ Private Data")
		v.folder(2, 41, ".HFS+ Private Directory Data\r")
		v.file(40, 50, "iNode50", "", 2, 0, []byte("content"), nil)
		v.folder(41, 51, "dir_51")
		v.file(51, 52, "inside", "", 0, 0, []byte("x"), nil)
		v.file(2, 60, "one", "hlnkhfs+", 50, 0, nil, nil)
		v.file(2, 61, "two", "hlnkhfs+", 50, 0, nil, nil)
		v.file(2, 62, "linked folder", "fdrpMACS", 51, 0, nil, nil)
		v.file(2, 63, "lost", "hlnkhfs+", 99, 0, nil, nil)
		fsys := opened(t, v.done())
		a, err := fsys.Stat("one")
		if err != nil {
			t.Fatal(err)
		}
		b, err := fsys.Stat("two")
		if err != nil {
			t.Fatal(err)
		}
		x, y := a.Sys().(*fstree.Stat), b.Sys().(*fstree.Stat)
		if x.FileID() != y.FileID() || x.Ino != 50 || x.Nlink != 2 || x.Size != 7 {
			t.Errorf("%+v, %+v", x, y)
		}
		if got, err := fs.ReadFile(fsys, "linked folder/inside"); err != nil || string(got) != "x" {
			t.Errorf("%q, %v", got, err)
		}
		list, err := fsys.ReadDir(".")
		var names []string
		for _, d := range list {
			names = append(names, d.Name())
		}
		if slices.Contains(names, "HFS+ Private Data") || len(names) != 5 || err != nil {
			t.Errorf("%q, %v", names, err)
		}
		if _, err := fsys.Stat("lost"); !errors.Is(err, fstree.ErrDamaged) {
			t.Errorf("a name that leads nowhere: %v", err)
		}
		if _, err := fsys.Stat("TWO"); sensitive != errors.Is(err, fs.ErrNotExist) {
			t.Errorf("another case: %v", err)
		}
	}
}

func TestNamesAreShownAsLinuxDoes(t *testing.T) {
	v := newBlank(false)
	for i, name := range []string{"a/b", "cafe\u0301", "\u1100\u1161", "x\x00", "\U0001F4BE", "UPPER", "\u212b", "q\u0307\u0323", "s\u0323\u0307"} {
		v.file(2, uint32(20+i), name, "", 0, 0, []byte(name), nil)
	}
	fsys := opened(t, v.done())
	for shown, stored := range map[string]string{
		"a:b": "a/b", "caf\u00e9": "cafe\u0301", "\uac00": "\u1100\u1161", "x\u2400": "x\x00", "\U0001F4BE": "\U0001F4BE", "upper": "UPPER", "CAF\u00c9": "cafe\u0301",
	} {
		if b, err := fs.ReadFile(fsys, shown); err != nil || string(b) != stored {
			t.Errorf("%q: %q, %v", shown, b, err)
		}
	}
	list, err := fs.Glob(fsys, "*")
	if want := []string{"UPPER", "a:b", "caf\u00e9", "q\u0307\u0323", "x\u2400", "\u1e69", "\u212b", "\uac00", "\U0001F4BE"}; err != nil || !slices.Equal(list, want) {
		t.Errorf("%q, %v", list, err)
	}
}

func TestTheResourceForkIsAStream(t *testing.T) {
	v := newBlank(false)
	v.file(2, 20, "with", "TEXTttxt", 0, 0, []byte("data"), []byte("resources"))
	v.file(2, 21, "without", "", 0, 0, []byte("data"), nil)
	fsys := opened(t, v.done())
	s, ok := fstree.As[fstree.Streams](fsys)
	if !ok {
		t.Fatal("no streams")
	}
	id := func(name string) fstree.ID {
		info, err := fsys.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Sys().(*fstree.Stat).FileID().ID
	}
	names, err := s.Streams(id("with"))
	if err != nil || !slices.Equal(names, []string{"rsrc"}) {
		t.Fatalf("%q, %v", names, err)
	}
	c, err := s.OpenStream(id("with"), "rsrc")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size())); err != nil || string(b) != "resources" {
		t.Errorf("%q, %v", b, err)
	}
	if names, err := s.Streams(id("without")); err != nil || len(names) != 0 {
		t.Errorf("%q, %v", names, err)
	}
	if _, err := s.OpenStream(id("without"), "rsrc"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	info, err := fsys.Stat("with")
	if err != nil {
		t.Fatal(err)
	}
	if list, err := info.Sys().(*fstree.Stat).Xattrs(); err != nil || string(list["osx.com.apple.FinderInfo"][:8]) != "TEXTttxt" {
		t.Errorf("%q, %v", list, err)
	}
}

func TestTheCopyOfTheHeaderIsUsedWhereTheFirstIsDamaged(t *testing.T) {
	v := newBlank(false)
	v.file(2, 20, "file", "", 0, 0, []byte("data"), nil)
	for what, damage := range map[string]func(h []byte){
		"version": func(h []byte) { h[3] = 9 }, "size of blocks": func(h []byte) { h[43] = 1 }, "blocks": func(h []byte) { clear(h[44:48]) }, "free": func(h []byte) { h[48] = 0xFF },
	} {
		image := bytes.Clone(v.done())
		damage(image[1024:])
		fsys, err := filesystem.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		b, err := fs.ReadFile(fsys, "file")
		if notes := strings.Join(fsys.Info().Notes, "\n"); err != nil || string(b) != "data" || !strings.Contains(notes, "its copy is used") || fsys.Info().FreeErr == nil {
			t.Errorf("%s: %q, %v, %q", what, b, err, notes)
		}
		image[len(image)-1024+104]++ // of another volume
		if _, err := hfsplus.Open(bytes.NewReader(image), int64(len(image))); !errors.Is(err, fstree.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	zeroes := make([]byte, 1<<20)
	if _, err := hfsplus.Open(bytes.NewReader(zeroes), 1<<20); !errors.Is(err, fstree.ErrNotThis) {
		t.Error(err)
	}
}

func TestWhatAReaderShouldKnowIsNoted(t *testing.T) {
	journal := func(order binary.ByteOrder, start, end uint64) func(image []byte) {
		return func(image []byte) {
			be.PutUint32(image[1024+4:], 0x2100)
			be.PutUint32(image[1024+12:], 400)
			be.PutUint32(image[400*4096:], 1)
			be.PutUint64(image[400*4096+36:], 401*4096)
			j := image[401*4096:]
			order.PutUint32(j, 0x4a4e4c78)
			order.PutUint32(j[4:], 0x12345678)
			order.PutUint64(j[8:], start)
			order.PutUint64(j[16:], end)
		}
	}
	const unclean = "the filesystem was not unmounted cleanly"
	for _, tt := range []struct {
		note   string
		dirty  bool
		change func(image []byte)
	}{
		{"", false, func([]byte) {}},
		{unclean, true, func(b []byte) { be.PutUint32(b[1024+4:], 0) }},
		{unclean, true, func(b []byte) { be.PutUint32(b[1024+4:], 0x900) }},
		{"", false, journal(le, 512, 512)},
		{"", false, journal(be, 512, 512)},
		{unclean + ", and its journal is not replayed", true, journal(le, 512, 1024)},
		{unclean + ", and its journal is not replayed", true, journal(be, 1024, 512)},
		{unclean + "; its journal is empty", true, func(b []byte) { journal(be, 512, 512)(b); be.PutUint32(b[1024+4:], 0x2000) }},
		{"the journal cannot be read: it is on another device", false, func(b []byte) { journal(be, 512, 1024)(b); be.PutUint32(b[400*4096:], 2) }},
		{"the journal cannot be read: hfsplus: damaged journal: no magic number", false, func(b []byte) { journal(be, 512, 1024)(b); b[401*4096]++ }},
	} {
		image := newBlank(false).done()
		tt.change(image)
		info := opened(t, image).Info()
		if got := strings.Join(info.Notes, "\n"); got != tt.note || info.Dirty != tt.dirty {
			t.Errorf("notes %q, dirty %v; want %q", got, info.Dirty, tt.note)
		}
		if info.Label != "Grüße" || info.UUID == "" || info.Type != "hfsplus" || info.BlockSize != 4096 {
			t.Errorf("%+v", info)
		}
	}
}

func FuzzOpen(f *testing.F) {
	images := [][]byte{fstreetest.Image(f, "hfsplus-4k"), fstreetest.Image(f, "hfsplus-hfsx")}
	f.Add(uint8(0), uint32(1024+40), []byte{16})
	f.Add(uint8(1), uint32(64<<10), []byte{0xff})
	f.Fuzz(func(t *testing.T, which uint8, off uint32, patch []byte) {
		image := bytes.Clone(images[int(which)%len(images)])
		copy(image[int(off)%len(image):], patch)
		fsys, err := hfsplus.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			return
		}
		fstreetest.ReadAll(t, fsys, int64(len(image)))
	})
}

func ExampleOpen() {
	f, err := os.Open("../../../../testdata/filesystems/hfsplus-4k.img.gz")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		log.Fatal(err)
	}
	image, err := io.ReadAll(z)
	if err != nil {
		log.Fatal(err)
	}
	fsys, err := hfsplus.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		log.Fatal(err)
	}
	b, err := fs.ReadFile(fsys, "a/b/c/file")
	fmt.Printf("%s %v\n", b, err)
	// Output: deep <nil>
}
