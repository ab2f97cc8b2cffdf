package ext4

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Tags of fast commits, written by hand: what the kernel's own replay leaves
// alone because it was written back before the crash is left alone here.

func nameTag(tag uint16, parent, ino uint32, name string) fastTagged {
	value := le.AppendUint32(le.AppendUint32(nil, parent), ino)
	return fastTagged{tag, append(value, name...)}
}

// lookup returns the inode of a name, 0 if it is not there.
func (p *patient) lookup(dir uint32, name string) uint32 {
	p.t.Helper()
	e, err := p.e.Lookup(fstree.ID{Ino: uint64(dir)}, name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return uint32(e.ID.Ino)
}

func TestNamesOfFastCommitsThatCameBeforeAreLeftAlone(t *testing.T) {
	p := newPatient(t, "ext4-no-csum")
	sizes, other := p.find("sizes"), p.find("sizes/60.bin").num
	dir, there := sizes.num, p.find("sizes/4096.bin").num
	err := p.e.replayFast([]fastTagged{
		nameTag(fastUnlink, dir, other, "4096.bin"),  // the name leads elsewhere by now
		nameTag(fastCreate, dir, other, "4097.bin"),  // there is such a name
		nameTag(fastUnlink, dir, other, "not there"), // it is gone
		nameTag(fastLink, dir, there, "made"),        // new
		nameTag(fastCreate, dir, there, "short"),     // made, and removed again
		nameTag(fastUnlink, dir, there, "short"),     //
		nameTag(fastUnlink, dir, other, "60.bin"),    // removed, and made again
		nameTag(fastLink, dir, there, "60.bin"),      //
		{fastPad, nil}, {fastHead, make([]byte, 8)},  // say nothing
		{fastDelRange, make([]byte, 12)}, // of no length
	})
	if err != nil {
		t.Fatal(err)
	}
	before := newPatient(t, "ext4-no-csum")
	for name, want := range map[string]uint32{
		"4096.bin": there, "4097.bin": before.find("sizes/4097.bin").num, "not there": 0, "made": there, "short": 0, "60.bin": there,
	} {
		if got := p.lookup(dir, name); got != want {
			t.Errorf("%q leads to inode %d, want %d", name, got, want)
		}
	}
	listed := map[string]int{}
	for e, err := range p.e.ReadDir(fstree.ID{Ino: uint64(dir)}) {
		if err != nil {
			t.Fatal(err)
		}
		listed[e.Name]++
	}
	for name, want := range map[string]int{"made": 1, "short": 0, "60.bin": 1, "4096.bin": 1, "not there": 0} {
		if listed[name] != want {
			t.Errorf("%q is listed %d times", name, listed[name])
		}
	}
}

func inodeTag(num uint32, raw []byte) fastTagged {
	return fastTagged{fastInode, append(le.AppendUint32(nil, num), raw...)}
}

// The map of a file is changed by other tags; what an inode holds itself comes
// with it.
func TestAnInodeOfAFastCommitBringsItsDataButNotItsMap(t *testing.T) {
	const mapAt, mapEnd = 0x28, 0x28 + blockMapSize
	for name, inline := range map[string]bool{"ext4-no-csum": false, "ext4-inline-data": true} {
		p := newPatient(t, name)
		file := "sizes/4096.bin"
		if inline {
			file = "sizes/60.bin"
		}
		in := p.find(file)
		if in.has(flagInlineData) != inline {
			t.Fatalf("%s: flags %#x", file, in.flags)
		}
		old := slices.Clone(p.inode(in.num))
		changed := slices.Clone(old)
		le.PutUint16(changed[0x02:], 4711) // owner
		le.PutUint32(changed[0x90:], 99)   // time of birth
		for i := range changed[mapAt:mapEnd] {
			changed[mapAt+i] ^= 0x55
		}
		if err := p.e.replayFast([]fastTagged{inodeTag(in.num, changed)}); err != nil {
			t.Fatal(err)
		}
		got, at, err := p.e.rawInode(uint64(in.num))
		if err != nil || at != -1 {
			t.Fatalf("at block %d, %v", at, err)
		}
		want := old
		if inline {
			want = changed
		}
		if !bytes.Equal(got[mapAt:mapEnd], want[mapAt:mapEnd]) {
			t.Errorf("%s: the map is %x", name, got[mapAt:mapEnd])
		}
		if le.Uint16(got[0x02:]) != 4711 || le.Uint32(got[0x90:]) != 99 {
			t.Errorf("%s: the rest is not the new one", name)
		}
	}
}

// A file whose map was of another kind begins with an empty one.
func TestAnInodeOfAFastCommitThatGetsExtentsBeginsWithNone(t *testing.T) {
	p := newPatient(t, "ext2-1k")
	in := p.find("sizes/4096.bin")
	le.PutUint16(p.inode(in.num)[0x28+2:], 1) // an extent, if it were a map of extents
	var err error
	if p.e, err = open(bytes.NewReader(p.image), int64(len(p.image))); err != nil {
		t.Fatal(err)
	}
	changed := slices.Clone(p.inode(in.num))
	le.PutUint32(changed[0x20:], le.Uint32(changed[0x20:])|flagExtents)
	if err := p.e.replayFast([]fastTagged{inodeTag(in.num, changed)}); err != nil {
		t.Fatal(err)
	}
	c, err := p.e.Open(fstree.ID{Ino: uint64(in.num)})
	if err != nil {
		t.Fatal(err)
	}
	for x, err := range c.Extents(0, c.Size()) {
		if err != nil || !x.Hole {
			t.Errorf("%+v, %v", x, err)
		}
	}
}

// A range that is added ends where the next begins, and a hole in it reads as
// zeroes whatever the old map says.
func TestRangesOfFastCommitsLieOverTheMap(t *testing.T) {
	p := newPatient(t, "ext4-no-csum")
	in := p.find("sizes/65537.bin")
	blocks := func() (at []uint64) {
		m, err := p.e.mapping(in)
		if err != nil {
			t.Fatal(err)
		}
		for logical := uint64(0); logical < 8; {
			r, err := m.run(logical)
			if err != nil || r.count == 0 {
				t.Fatalf("block %d: %+v, %v", logical, r, err)
			}
			for i := range min(r.count, 8-logical) {
				if r.isHole() {
					at = append(at, 0)
				} else {
					at = append(at, r.physical+i)
				}
			}
			logical += min(r.count, 8-logical)
		}
		return at
	}
	want := blocks()
	add := make([]byte, 4+extentSize)
	le.PutUint32(add, in.num)
	le.PutUint32(add[4:], 2)
	le.PutUint16(add[8:], 3)
	le.PutUint32(add[12:], 700)
	del := le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, in.num), 4), 2)
	if err := p.e.replayFast([]fastTagged{{fastAddRange, add}, {fastDelRange, del}}); err != nil {
		t.Fatal(err)
	}
	copy(want[2:], []uint64{700, 701, 0, 0})
	if got := blocks(); !slices.Equal(got, want) {
		t.Errorf("blocks %d, want %d", got, want)
	}
	le.PutUint32(add[12:], 1<<31)
	if err := p.e.replayFast([]fastTagged{{fastAddRange, add}}); !errors.Is(err, fstree.ErrDamaged) {
		t.Errorf("a range outside the volume: %v", err)
	}
}

// Fast commits are read up to the first that is not whole or not of the
// transaction that follows the journal's last.
func TestFastCommitsEndWhereOneIsNotWhole(t *testing.T) {
	const sequence = 7
	tag := func(tag uint16, value ...byte) []byte {
		return append(le.AppendUint16(le.AppendUint16(nil, tag), uint16(len(value))), value...)
	}
	number := func(n ...uint32) (b []byte) {
		for _, n := range n {
			b = le.AppendUint32(b, n)
		}
		return b
	}
	tail := func(tid uint32, before ...[]byte) []byte {
		b := tag(fastTail, number(tid, 0)...)
		sum := crc32c(crc32c(0, slices.Concat(before...)), b[:fastTagSize+4])
		le.PutUint32(b[fastTagSize+4:], sum)
		return b
	}
	head, pad := tag(fastHead, number(0, sequence)...), tag(fastPad, 1, 2, 3, 4)
	wrong := tail(sequence, head, pad)
	wrong[len(wrong)-1]++
	for name, c := range map[string]struct {
		tags [][]byte
		want int
	}{
		"whole":                   {[][]byte{head, pad, tail(sequence, head, pad)}, 2},
		"two of them":             {[][]byte{head, pad, tail(sequence, head, pad), pad, tail(sequence, pad)}, 3},
		"without a tail":          {[][]byte{head, pad, tail(sequence, head, pad), pad, pad}, 2},
		"a wrong checksum":        {[][]byte{head, pad, wrong}, 0},
		"a tail of another":       {[][]byte{head, pad, tail(sequence+1, head, pad)}, 0},
		"a head of another":       {[][]byte{tag(fastHead, number(0, sequence-1)...), pad, tail(sequence, tag(fastHead, number(0, sequence-1)...), pad)}, 0},
		"no head":                 {[][]byte{pad, tail(sequence, pad)}, 0},
		"a tag that there is not": {[][]byte{head, tag(77), tail(sequence, head, tag(77))}, 0},
		"a head with a feature":   {[][]byte{tag(fastHead, number(1, sequence)...)}, -1},
	} {
		s := fastScan{sequence: sequence}
		var err error
		for _, b := range c.tags {
			var more bool
			if more, err = s.tag(b); !more || err != nil {
				break
			}
		}
		if c.want < 0 != errors.Is(err, fstree.ErrUnsupported) || len(s.done) != max(c.want, 0) {
			t.Errorf("%s: %d tags, %v", name, len(s.done), err)
		}
	}
}
