package ext4

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

// patient is a sound image without checksums, whose structures can be found
// and damaged.
type patient struct {
	t     *testing.T
	image []byte
	e     *engine
}

func newPatient(t *testing.T, name string) *patient {
	t.Helper()
	p := &patient{t: t, image: fstreetest.Image(t, name)}
	e, err := open(bytes.NewReader(p.image), int64(len(p.image)))
	if err != nil {
		t.Fatal(err)
	}
	p.e = e
	return p
}

// find returns the inode of a path.
func (p *patient) find(path string) *inode {
	p.t.Helper()
	id := p.e.Root()
	for _, name := range strings.Split(path, "/") {
		entry, err := p.e.Lookup(id, name)
		if err != nil {
			p.t.Fatalf("%s: %v", path, err)
		}
		id = entry.ID
	}
	in, err := p.e.inode(id.Ino)
	if err != nil {
		p.t.Fatal(err)
	}
	return in
}

// inode returns the bytes of an inode in the image.
func (p *patient) inode(num uint32) []byte {
	g, err := p.e.groups.get(uint64(num-1) / p.e.sb.inodesPerGroup)
	if err != nil {
		p.t.Fatal(err)
	}
	off := int64(g.inodeTable)<<p.e.sb.blockBits + int64(uint64(num-1)%p.e.sb.inodesPerGroup)*int64(p.e.sb.inodeSize)
	return p.image[off:][:p.e.sb.inodeSize]
}

// block returns the bytes of a block of a file in the image.
func (p *patient) block(in *inode, logical uint64) []byte {
	m, err := p.e.mapping(in)
	if err != nil {
		p.t.Fatal(err)
	}
	r, err := m.run(logical)
	if err != nil || !r.stored {
		p.t.Fatalf("block %d of inode %d: %v", logical, in.num, err)
	}
	return p.image[r.physical<<p.e.sb.blockBits:][:p.e.sb.blockSize]
}

// entry returns the entry of a name in the first block of a directory.
func (p *patient) entry(in *inode, name string) []byte {
	m, err := p.e.mapping(in)
	if err != nil {
		p.t.Fatal(err)
	}
	for logical := range uint64(in.size) >> p.e.sb.blockBits {
		if r, err := m.run(logical); err == nil && r.stored {
			b := p.image[r.physical<<p.e.sb.blockBits:][:p.e.sb.blockSize]
			if at := bytes.Index(b, []byte(name)); at >= direntHeader {
				return b[at-direntHeader:]
			}
		}
	}
	p.t.Fatalf("no entry %s", name)
	return nil
}

func TestDamageIsNamedAndConcernsItsFileAlone(t *testing.T) {
	tests := []struct {
		name   string
		file   string // that is damaged
		damage func(p *patient, in *inode)
		want   string // in the error
	}{
		{"magic of an extent tree", "sizes/4096.bin",
			func(p *patient, in *inode) { p.inode(in.num)[0x28]++ }, "damaged extent tree of inode"},
		{"depth of an extent tree", "sizes/4096.bin",
			func(p *patient, in *inode) { p.inode(in.num)[0x28+6] = 6 }, "depth 6"},
		{"more entries than fit", "sizes/4096.bin",
			func(p *patient, in *inode) { p.inode(in.num)[0x28+4] = 200 }, "entries"},
		{"extent behind the end", "sizes/4096.bin",
			func(p *patient, in *inode) { p.inode(in.num)[0x28+extentHeaderSize+11] = 0xFF }, "damaged extent tree of inode"},
		{"extents out of order", "holes/in the middle",
			func(p *patient, in *inode) { le.PutUint32(p.inode(in.num)[0x28+extentHeaderSize:], 9999999) }, "out of order"},
		{"node that points to itself", "holes/many extents", func(p *patient, in *inode) {
			// The leaf becomes a node of depth 1 with itself as its child.
			leaf := le.Uint32(in.block[extentHeaderSize+4:])
			b := p.image[int64(leaf)<<p.e.sb.blockBits:]
			le.PutUint16(b[6:], 1)
			le.PutUint32(b[extentHeaderSize+4:], leaf)
		}, "depth 1"},
		{"negative size", "sizes/4096.bin",
			func(p *patient, in *inode) { p.inode(in.num)[0x6F] = 0x80 }, "size"},
		{"extra fields", "sizes/4096.bin",
			func(p *patient, in *inode) { le.PutUint16(p.inode(in.num)[0x80:], 999) }, "999 bytes of extra fields"},
		{"deleted inode", "sizes/4096.bin",
			func(p *patient, in *inode) { le.PutUint16(p.inode(in.num)[0x1A:], 0) }, "deleted"},
		{"unknown type", "sizes/4096.bin",
			func(p *patient, in *inode) { le.PutUint16(p.inode(in.num), 0o070644) }, "mode"},
		{"target cut by a zero", "links/short",
			func(p *patient, in *inode) { p.inode(in.num)[0x28+2] = 0 }, "target of 2 bytes, not 6"},
		{"target too long", "links/of 60 bytes",
			func(p *patient, in *inode) { le.PutUint32(p.inode(in.num)[4:], 70000) }, "target of 70000 bytes"},
		{"attributes without an end", "xattrs/small", func(p *patient, in *inode) {
			b := p.inode(in.num)[goodOldInodeSize+int(le.Uint16(p.inode(in.num)[0x80:])):]
			b[4] = 255
		}, "damaged attributes of inode"},
		{"value outside", "xattrs/small", func(p *patient, in *inode) {
			b := p.inode(in.num)[goodOldInodeSize+int(le.Uint16(p.inode(in.num)[0x80:])):]
			le.PutUint16(b[4+2:], 60000)
		}, "value of"},
		{"attribute block's magic", "xattrs/large",
			func(p *patient, in *inode) { p.image[in.xattrBlock<<p.e.sb.blockBits]++ }, "damaged attributes of inode"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPatient(t, "ext4-no-csum")
			tt.damage(p, p.find(tt.file))
			vol, err := Open(bytes.NewReader(p.image), int64(len(p.image)))
			if err != nil {
				t.Fatal(err)
			}
			if err := readFully(vol, tt.file); !errors.Is(err, fstree.ErrDamaged) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v, want %q", tt.file, err, tt.want)
			}
			for _, sibling := range []string{"sizes/60.bin", "sizes/65537.bin", "links/by parent", "xattrs/of all kinds", "names/b"} {
				if err := readFully(vol, sibling); err != nil {
					t.Errorf("sibling: %v", err)
				}
			}
		})
	}
}

// readFully asks for everything of a file.
func readFully(vol *fstree.FS, name string) error {
	info, err := vol.Lstat(name)
	if err != nil {
		return err
	}
	if _, err := info.Sys().(*fstree.Stat).Xattrs(); err != nil {
		return err
	}
	if info.Mode().Type() == fs.ModeSymlink {
		_, err = vol.ReadLink(name)
	} else {
		_, err = fs.ReadFile(vol, name)
	}
	return err
}

func TestDamageInADirectoryLosesOneBlock(t *testing.T) {
	tests := []struct {
		name   string
		damage func(p *patient, many *inode)
		want   string
	}{
		{"length of an entry", func(p *patient, many *inode) { le.PutUint16(p.entry(many, "entry 000031")[4:], 0) }, "for a name of"},
		{"entry across the end", func(p *patient, many *inode) { le.PutUint16(p.entry(many, "entry 000031")[4:], 8000) }, "crosses the end"},
		{"inode out of range", func(p *patient, many *inode) { le.PutUint32(p.entry(many, "entry 000031"), 1<<30) }, "for inode 1073741824"},
		{"entry without a name", func(p *patient, many *inode) { p.entry(many, "entry 000031")[6] = 0 }, "without a name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPatient(t, "ext4-no-csum")
			many := p.find("many")
			sound := entries(t, p.e, many.num, 0)
			tt.damage(p, many)
			e, err := open(bytes.NewReader(p.image), int64(len(p.image)))
			if err != nil {
				t.Fatal(err)
			}
			errs := 0
			for _, err := range e.ReadDir(fstree.ID{Ino: uint64(many.num)}) {
				if err == nil {
					continue
				}
				errs++
				if !errors.Is(err, fstree.ErrDamaged) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v, want %q", err, tt.want)
				}
			}
			left := entries(t, e, many.num, 1)
			if errs != 1 || left == 0 || left >= sound {
				t.Errorf("%d errors, %d entries of %d", errs, left, sound)
			}
		})
	}
}

func TestADirectoryThatLeadsBackIsNotEntered(t *testing.T) {
	for _, to := range []string{"deep", "deep/level 0"} {
		p := newPatient(t, "ext4-no-csum")
		le.PutUint32(p.entry(p.find("deep/level 0"), "level 1"), p.find(to).num)
		vol, err := Open(bytes.NewReader(p.image), int64(len(p.image)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := vol.ReadDir("deep/level 0/level 1"); !errors.Is(err, fstree.ErrDamaged) {
			t.Errorf("to %s: %v", to, err)
		}
	}
}

// entries counts the entries of a directory that has a number of errors.
func entries(t *testing.T, e *engine, dir uint32, errs int) int {
	t.Helper()
	n := 0
	for _, err := range e.ReadDir(fstree.ID{Ino: uint64(dir)}) {
		if err == nil {
			n++
		} else {
			errs--
		}
	}
	if errs != 0 {
		t.Errorf("%d errors too few", errs)
	}
	return n
}

func TestADirectoryHasNoMoreBlocksThanTheVolume(t *testing.T) {
	p := newPatient(t, "ext2-1k")
	many := p.find("many")
	// The double indirect tree leads to one free block, over and over.
	free, single, double := many.block[0:], many.block[4:], many.block[8:]
	raw := p.inode(many.num)
	le.PutUint32(raw[4:], 0x80000000)
	copy(raw[0x28+4*directBlocks:], single[:4])
	copy(raw[0x28+4*(directBlocks+1):], double[:4])
	for level, leadsTo := range map[uint64][]byte{1: free, 2: single} {
		b := p.block(many, level)
		for i := 0; i < len(b); i += 4 {
			copy(b[i:], leadsTo[:4])
		}
		clear(raw[0x28+4*level:][:4])
	}
	b := p.block(many, 0)
	clear(b)
	le.PutUint16(b[4:], uint16(len(b)))
	e, err := open(bytes.NewReader(p.image), int64(len(p.image)))
	if err != nil {
		t.Fatal(err)
	}
	var last error
	for _, err := range e.ReadDir(fstree.ID{Ino: uint64(many.num)}) {
		if err != nil {
			last = err
		}
	}
	if last == nil || !strings.Contains(last.Error(), "more blocks than the volume has") {
		t.Error(last)
	}
}

// An empty value lies nowhere: the kernel does not look where the entry says.
func TestThePlaceOfAnEmptyAttributeMeansNothing(t *testing.T) {
	p := newPatient(t, "ext4-no-csum")
	in := p.find("xattrs/empty value")
	raw := p.inode(in.num)
	entry := raw[bytes.Index(raw, []byte("empty"))-xattrEntrySize:]
	le.PutUint16(entry[2:], 0xFFFF)
	e, err := open(bytes.NewReader(p.image), int64(len(p.image)))
	if err != nil {
		t.Fatal(err)
	}
	xattrs, err := e.Xattrs(fstree.ID{Ino: uint64(in.num)})
	if value, ok := xattrs["user.empty"]; err != nil || !ok || len(value) > 0 {
		t.Errorf("%q, %v", xattrs, err)
	}
}
