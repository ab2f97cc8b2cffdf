package udf_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/udf"
)

const (
	block     = 2048
	partStart = 260
	blocks    = 400
)

var le = binary.LittleEndian

// disc is a volume made by hand (ECMA-167, UDF 2.60).
type disc struct{ b []byte }

// put writes a descriptor into a block of the volume, recorded for a block of its
// partition.
func (d *disc) put(at int, kind uint16, location uint32, body []byte) {
	b := d.b[at*block:][:block]
	clear(b)
	copy(b, body)
	seal(b, kind, location, block-16)
}

// seal writes the tag of a descriptor whose CRC is of n bytes.
func seal(b []byte, kind uint16, location uint32, n int) {
	clear(b[:16])
	le.PutUint16(b, kind)
	le.PutUint16(b[2:], 3)
	le.PutUint32(b[12:], location)
	var c uint16
	for _, x := range b[16 : 16+n] {
		c ^= uint16(x) << 8
		for range 8 {
			if c&0x8000 != 0 {
				c = c<<1 ^ 0x1021
			} else {
				c <<= 1
			}
		}
	}
	le.PutUint16(b[8:], c)
	le.PutUint16(b[10:], uint16(n))
	for i, x := range b[:16] {
		if i != 4 {
			b[4] += x
		}
	}
}

func set32(b []byte, at int, values ...uint32) []byte {
	for i, v := range values {
		le.PutUint32(b[at+4*i:], v)
	}
	return b
}

// long is a long_ad of a block.
func long(length, at uint32, part uint16) []byte {
	return le.AppendUint16(le.AppendUint32(le.AppendUint32(nil, length), at), part)
}

// entry is an extended file entry whose allocation descriptors, or contents, are descs.
func entry(kind byte, flags uint16, size int64, descs []byte) []byte {
	b := make([]byte, block)
	le.PutUint16(b[20:], 4)
	b[27] = kind
	le.PutUint16(b[34:], flags)
	set32(b, 36, 1000, 1<<32-1, 0x14A5) // r-xr-xr-x
	le.PutUint16(b[48:], 1)
	le.PutUint64(b[56:], uint64(size))
	for _, at := range []int{80, 92, 104, 116} {
		// 2024-05-06 07:08:09.010203, one hour east
		copy(b[at:], []byte{60, 0x10, 0xe8, 0x07, 5, 6, 7, 8, 9, 1, 2, 3})
	}
	set32(b, 208, 0, uint32(len(descs)))
	copy(b[216:], descs)
	return b
}

// fid is the identifier of a file in a directory.
func fid(name string, characteristics byte, at uint32, part uint16) []byte {
	ident := append([]byte{8}, name...)
	if name == "" {
		ident = nil
	}
	b := make([]byte, (38+len(ident)+3)&^3)
	le.PutUint16(b[16:], 1)
	b[18], b[19] = characteristics, byte(len(ident))
	copy(b[20:], long(block, at, part))
	copy(b[38:], ident)
	seal(b, 257, 0, len(b)-16)
	return b
}

// newDisc makes a volume whose second partition is described by a map, and lies
// where meta says.
func newDisc(partitionMap []byte, meta func(block int) (volume int)) *disc {
	d := &disc{make([]byte, blocks*block)}
	for i, id := range []string{"BEA01", "NSR03", "TEA01"} {
		copy(d.b[(16+i)*block:], "\x00"+id+"\x01")
	}
	for _, at := range []int{32, 40} {
		pd := make([]byte, block)
		set32(pd, 188, partStart, blocks-partStart)
		d.put(at, 5, uint32(at), pd)
		lvd := make([]byte, block)
		copy(lvd[84:], "\x08BY HAND")
		lvd[84+127] = 8
		set32(lvd, 212, block)
		copy(lvd[217:], "*OSTA UDF Compliant")
		copy(lvd[248:], long(block, 0, 1))
		set32(lvd, 264, uint32(6+len(partitionMap)), 2)
		copy(lvd[440:], []byte{1, 6, 1, 0, 0, 0})
		copy(lvd[446:], partitionMap)
		d.put(at+1, 6, uint32(at+1), lvd)
		d.put(at+2, 8, uint32(at+2), nil)
	}
	d.put(256, 2, 256, set32(make([]byte, block), 16, 8*block, 32, 8*block, 40))

	put := func(at int, kind uint16, body []byte) { d.put(meta(at), kind, uint32(at), body) }
	fsd := make([]byte, block)
	copy(fsd[400:], long(block, 1, 1))
	put(0, 256, fsd)
	var dir []byte
	dir = append(dir, fid("", 8, 1, 1)...)
	dir = append(dir, fid("hello", 0, 7, 1)...)
	dir = append(dir, fid("gone", 4, 7, 1)...)
	dir = append(dir, fid("hidden", 1, 7, 1)...)
	put(1, 266, entry(4, 3, int64(len(dir)), dir))
	hello := entry(5, 1, block+100, append(append(long(block, 100, 0), make([]byte, 6)...), append(long(100, 102, 0), make([]byte, 6)...)...))
	copy(hello[152:], long(block, 8, 1))
	put(7, 266, hello)
	copy(d.b[(partStart+100)*block:], bytes.Repeat([]byte("0123456789ABCDEF"), block/16))
	copy(d.b[(partStart+102)*block:], bytes.Repeat([]byte("z"), 100))
	streams := fid("named", 0, 9, 1)
	put(8, 266, entry(13, 3, int64(len(streams)), streams))
	put(9, 266, entry(5, 3, 6, []byte("stream")))
	return d
}

func type2(id string) []byte {
	m := make([]byte, 64)
	m[0], m[1] = 2, 64
	copy(m[5:], id)
	le.PutUint16(m[28:], 0x250)
	return m
}

// withMetadata is a volume with a metadata partition in two pieces, and a mirror.
func withMetadata() *disc {
	m := set32(type2("*UDF Metadata Partition"), 40, 0, 1, 1<<32-1)
	d := newDisc(m, func(b int) int {
		if b < 6 {
			return partStart + 10 + b
		}
		return partStart + 30 + b - 6
	})
	descs := set32(make([]byte, 16), 0, 6*block, 10, 6*block, 30) // short_ads
	d.put(partStart, 266, 0, entry(250, 0, 12*block, descs))
	d.put(partStart+1, 266, 1, entry(251, 0, 12*block, descs))
	return d
}

// withTable is a volume with a virtual partition.
func withTable() *disc {
	place := func(b int) int { return partStart + 20 + 3*b }
	d := newDisc(type2("*UDF Virtual Partition"), place)
	table := make([]byte, 152)
	le.PutUint16(table, 152)
	for i := range 10 {
		table = le.AppendUint32(table, uint32(place(i)-partStart))
	}
	d.put(blocks-1, 266, blocks-1-partStart, entry(248, 3, int64(len(table)), table))
	return d
}

func (d *disc) open(t testing.TB) *fstree.FS {
	t.Helper()
	f, err := udf.Open(bytes.NewReader(d.b), int64(len(d.b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// check reads all of a volume that was made by hand.
func check(t *testing.T, d *disc) *fstree.FS {
	t.Helper()
	fsys := d.open(t)
	list, err := fs.ReadDir(fsys, ".")
	if err != nil || len(list) != 2 || list[0].Name() != "hello" || list[1].Name() != "hidden" {
		t.Fatalf("%v, %v", list, err)
	}
	b, err := fs.ReadFile(fsys, "hello")
	if err != nil || !bytes.Equal(b, append(bytes.Repeat([]byte("0123456789ABCDEF"), block/16), bytes.Repeat([]byte("z"), 100)...)) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	info, err := fs.Stat(fsys, "hello")
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*fstree.Stat)
	if want := "2024-05-06T06:08:09.010203Z"; st.Btime.Format("2006-01-02T15:04:05.999999999Z07:00") != want || !st.Mtime.Equal(st.Btime) {
		t.Errorf("times %v, %v", st.Mtime, st.Btime)
	}
	if st.UID != 1000 || st.GID != 65534 || st.Mode != 0o555 || st.Nlink != 1 {
		t.Errorf("%+v", st)
	}
	streams, ok := fstree.As[fstree.Streams](fsys)
	if !ok {
		t.Fatal("no streams")
	}
	names, err := streams.Streams(st.FileID().ID)
	if err != nil || len(names) != 1 || names[0] != "named" {
		t.Errorf("streams %q, %v", names, err)
	}
	c, err := streams.OpenStream(st.FileID().ID, "named")
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 10)
	if n, err := c.ReadAt(p, 0); string(p[:n]) != "stream" || err != io.EOF {
		t.Errorf("%q, %v", p[:n], err)
	}
	if _, err := streams.OpenStream(st.FileID().ID, "other"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another: %v", err)
	}
	return fsys
}

func TestAMetadataPartitionAndItsMirror(t *testing.T) {
	if i := check(t, withMetadata()).Info(); len(i.Notes) != 0 || i.Label != "BY HAND" {
		t.Errorf("%+v", i)
	}
	d := withMetadata()
	d.b[partStart*block+300] ^= 1
	if notes := check(t, d).Info().Notes; len(notes) != 1 || !strings.Contains(notes[0], "the mirror of the metadata partition is used") {
		t.Errorf("notes %q", notes)
	}
	d.b[(partStart+1)*block+300] ^= 1
	if _, err := udf.Open(bytes.NewReader(d.b), int64(len(d.b))); !errors.Is(err, fstree.ErrDamaged) {
		t.Errorf("both: %v", err)
	}
}

func TestAVirtualPartition(t *testing.T) {
	d := withTable()
	check(t, d)
	d.b = append(d.b, make([]byte, 10*block)...) // as a reader may add
	check(t, d)
	clear(d.b[(blocks-1)*block:])
	if _, err := udf.Open(bytes.NewReader(d.b), int64(len(d.b))); !errors.Is(err, fstree.ErrDamaged) || !strings.Contains(err.Error(), "virtual allocation table") {
		t.Errorf("without its table: %v", err)
	}
}

func TestTheSecondSequenceStandsIn(t *testing.T) {
	d := withMetadata()
	d.b[33*block+300] ^= 1
	if notes := check(t, d).Info().Notes; len(notes) != 1 || !strings.Contains(notes[0], "copies of the volume's descriptors are used") {
		t.Errorf("notes %q", notes)
	}
	d.b[41*block+300] ^= 1
	if _, err := udf.Open(bytes.NewReader(d.b), int64(len(d.b))); !errors.Is(err, fstree.ErrDamaged) {
		t.Errorf("both: %v", err)
	}
}

func TestWhatIsNotReadIsRefusedByName(t *testing.T) {
	d := newDisc(type2("*UDF Odd Partition"), func(b int) int { return partStart + b })
	if _, err := udf.Open(bytes.NewReader(d.b), int64(len(d.b))); !errors.Is(err, fstree.ErrUnsupported) || !strings.Contains(err.Error(), "*UDF Odd Partition") {
		t.Errorf("got %v", err)
	}
	for _, size := range []int64{0, 100, blocks * block} {
		if _, err := udf.Open(bytes.NewReader(make([]byte, size)), size); !errors.Is(err, fstree.ErrNotThis) {
			t.Errorf("%d zeroes: %v", size, err)
		}
	}
}

func TestDamageIsTheFilesOwn(t *testing.T) {
	d := withMetadata()
	d.b[(partStart+31)*block+300] ^= 1 // the entry of the file
	fsys := d.open(t)
	if _, err := fs.Stat(fsys, "hello"); !errors.Is(err, fstree.ErrDamaged) {
		t.Errorf("its entry: %v", err)
	}
	d = withMetadata()
	set32(d.b, (partStart+31)*block+216+4, 5000) // its first extent
	seal(d.b[(partStart+31)*block:][:block], 266, 7, block-16)
	if _, err := fs.ReadFile(d.open(t), "hello"); !errors.Is(err, fstree.ErrDamaged) {
		t.Errorf("an extent outside: %v", err)
	}
	d = withMetadata()
	d.b[(partStart+11)*block+216+60] ^= 1 // the directory's second identifier
	seal(d.b[(partStart+11)*block:][:block], 266, 1, block-16)
	if list, err := fs.ReadDir(d.open(t), "."); !errors.Is(err, fstree.ErrDamaged) || len(list) != 0 {
		t.Errorf("an identifier: %v, %v", list, err)
	}
}

func TestAllocationDescriptorsThatLeadInCirclesEnd(t *testing.T) {
	d := withMetadata()
	descs := append(long(3<<30|block, 60, 0), make([]byte, 6)...)
	d.put(partStart+31, 266, 7, entry(5, 1, 1<<40, descs))
	more := make([]byte, block)
	set32(more, 20, 16)
	copy(more[24:], descs)
	d.put(partStart+60, 258, 60, more)
	f, err := d.open(t).Open("hello")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Read(make([]byte, 10)); !errors.Is(err, fstree.ErrDamaged) || !strings.Contains(err.Error(), "circles") {
		t.Errorf("got %v", err)
	}
}

// The install media of Windows have a readme on their ISO 9660 side.
func TestAReadmeIsNotTheDisc(t *testing.T) {
	for name, want := range map[string]string{"README.TXT": "udf", "SETUP.EXE": "iso9660"} {
		d := withMetadata()
		if err := iso(d.b, name); err != nil {
			t.Fatal(err)
		}
		fsys, err := filesystem.Open(bytes.NewReader(d.b), int64(len(d.b)))
		if err != nil {
			t.Fatal(err)
		}
		if i := fsys.Info(); i.Type != want || len(i.Notes) != 1 {
			t.Errorf("%s: %+v", name, i)
		}
	}
}

// iso adds an ISO 9660 side with one file.
func iso(b []byte, name string) error {
	copy(b[19*block:], b[16*block:19*block])
	clear(b[16*block : 19*block])
	both := func(at int, n uint32) {
		le.PutUint32(b[at:], n)
		binary.BigEndian.PutUint32(b[at+4:], n)
	}
	record := func(at int, name string, flags byte, extent, size uint32) int {
		n := (33 + len(name) + 1) &^ 1
		b[at], b[at+25], b[at+32] = byte(n), flags, byte(len(name))
		both(at+2, extent)
		both(at+10, size)
		copy(b[at+33:], name)
		return at + n
	}
	pvd := 16 * block
	copy(b[pvd:], "\x01CD001\x01")
	both(pvd+80, blocks)
	le.PutUint16(b[pvd+128:], block)
	record(pvd+156, "\x00", 2, 60, block)
	copy(b[17*block:], "\xffCD001\x01")
	copy(b[18*block:], b[19*block:22*block]) // BEA01, NSR03, TEA01
	at := record(60*block, "\x00", 2, 60, block)
	at = record(at, "\x01", 2, 60, block)
	record(at, name+";1", 0, 61, 5)
	return nil
}

func open(r io.ReaderAt, size int64) (fs.FS, error) { return udf.Open(r, size) }

func TestDamagedImagesDoNoHarm(t *testing.T) {
	for _, name := range []string{"udf-201", "udf-102-long", "udf-sparable"} {
		t.Run(name, func(t *testing.T) { fstreetest.Mutate(t, name, open) })
	}
}

func TestAVolumeWithoutItsEndSaysSo(t *testing.T) { fstreetest.CutOff(t, "udf-201", udf.Open) }

func FuzzOpen(f *testing.F) {
	images := [][]byte{withMetadata().b, withTable().b, fstreetest.Image(f, "udf-102-long")}
	f.Add(uint8(0), uint32(33*block+440), []byte{2, 64})
	f.Add(uint8(1), uint32((blocks-1)*block+20), []byte{0xff})
	f.Add(uint8(2), uint32(partStart*block), []byte{0xff})
	f.Fuzz(func(t *testing.T, which uint8, off uint32, patch []byte) {
		image := bytes.Clone(images[int(which)%len(images)])
		at := int(off) % len(image)
		copy(image[at:], patch)
		if b := image[at&^(block-1):]; which%2 == 0 && len(b) >= block {
			seal(b[:block], le.Uint16(b), le.Uint32(b[12:]), block-16)
		}
		fsys, err := udf.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			return
		}
		fstreetest.ReadAll(t, fsys, int64(len(image)))
	})
}

func ExampleOpen() {
	b := withMetadata().b
	fsys, err := udf.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		fmt.Println(err)
		return
	}
	content, err := fs.ReadFile(fsys, "hello")
	fmt.Println(fsys.Info().Label, len(content), err)
	// Output: BY HAND 2148 <nil>
}
