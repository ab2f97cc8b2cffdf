package ext4

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// What a volume with one damaged structure shows is what the kernel shows of
// it when it mounts it read-only.

func (p *patient) reopen() *fstree.FS {
	p.t.Helper()
	vol, err := Open(bytes.NewReader(p.image), int64(len(p.image)))
	if err != nil {
		p.t.Fatal(err)
	}
	return vol
}

func TestAGroupDescriptorWithAWrongChecksumIsUsedAndNoted(t *testing.T) {
	for _, name := range []string{"ext4-1k", "ext4-gdt-csum-64bit"} { // by metadata_csum and by uninit_bg
		p := newPatient(t, name)
		if notes := p.reopen().Info().Notes; len(notes) > 0 {
			t.Fatalf("%s: notes before: %q", name, notes)
		}
		block := p.e.groups.descriptorBlock(0)
		p.image[block<<p.e.sb.blockBits+0x1E]++
		vol := p.reopen()
		if err := readFully(vol, "sizes/4096.bin"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if notes := vol.Info().Notes; len(notes) != 1 || !strings.Contains(notes[0], "1 group descriptors have a wrong checksum, the first that of group 0") {
			t.Errorf("%s: notes %q", name, notes)
		}
	}
}

func TestAHoleInADirectoryIsDamageAndTheRestIsListed(t *testing.T) {
	p := newPatient(t, "ext2-1k")
	many := p.find("many")
	sound := entries(t, p.e, many.num, 0)
	clear(p.inode(many.num)[0x28+4:][:4]) // the second block
	vol := p.reopen()
	list, err := vol.ReadDir("many")
	if !errors.Is(err, fstree.ErrDamaged) || !strings.Contains(err.Error(), "a hole of 1 blocks at block 1") {
		t.Error(err)
	}
	if len(list) == 0 || len(list) >= sound {
		t.Errorf("%d entries of %d", len(list), sound)
	}
	if _, err := vol.Stat("many/not there"); !errors.Is(err, fstree.ErrDamaged) {
		t.Errorf("a name that may have been in the hole: %v", err)
	}
}

// Nothing in the kernel's readdir asks whether an extent was written.
func TestADirectoryInAnUnwrittenExtentIsRead(t *testing.T) {
	p := newPatient(t, "ext4-no-csum")
	names := p.find("names")
	sound := entries(t, p.e, names.num, 0)
	extents := p.inode(names.num)[0x28+extentHeaderSize:]
	le.PutUint16(extents[4:], le.Uint16(extents[4:])+maxWritten)
	list, err := p.reopen().ReadDir("names")
	if err != nil || len(list) != sound {
		t.Errorf("%d entries of %d, %v", len(list), sound, err)
	}
}

func TestADamagedHashTreeIsNotAbsence(t *testing.T) {
	for _, image := range []string{"ext4-no-csum", "ext4-1k"} {
		p := newPatient(t, image)
		many := p.find("many")
		if !many.has(flagIndex) {
			t.Fatal("no index")
		}
		root := p.block(many, 0)
		entries := indexRootInfo + 8
		count := int(le.Uint16(root[entries+2:]))
		if count < 2 {
			t.Fatalf("%s: an index of %d entries", image, count)
		}
		// Every hash leads to the first leaf.
		for i := 1; i < count; i++ {
			le.PutUint32(root[entries+i*indexEntrySize:], 0xFFFFFFF0+uint32(2*i)&0xF)
		}
		vol := p.reopen()
		for e, err := range p.e.ReadDir(fstree.ID{Ino: uint64(many.num)}) {
			if err != nil {
				break // of the damaged tree, which shares the image
			}
			if _, err := vol.Lstat("many/" + fstree.EscapeName(e.Name)); err != nil {
				t.Fatalf("%s: %v", image, err)
			}
		}
		_, err := vol.Stat("many/not there")
		if checked := image == "ext4-1k"; checked && !errors.Is(err, fstree.ErrDamaged) || !checked && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a name that is not there: %v", image, err)
		}
		list, err := vol.ReadDir("many")
		if checked := image == "ext4-1k"; len(list) == 0 || checked != errors.Is(err, fstree.ErrDamaged) {
			t.Errorf("%s: %d entries, %v", image, len(list), err)
		}
	}
}

func TestATargetInABlockEndsAtItsFirstZero(t *testing.T) {
	p := newPatient(t, "ext4-no-csum")
	p.block(p.find("links/of 60 bytes"), 0)[10] = 0
	target, err := p.reopen().ReadLink("links/of 60 bytes")
	if err != nil || len(target) != 10 {
		t.Errorf("%q, %v", target, err)
	}
}

func TestAVolumeThatIsCutOffSaysSo(t *testing.T) {
	p := newPatient(t, "ext4-1k")
	whole := p.reopen().Info()
	p.image = p.image[:len(p.image)/2]
	info := p.reopen().Info()
	if len(info.Notes) != 1 || !strings.Contains(info.Notes[0], "cut off") {
		t.Errorf("notes %q", info.Notes)
	}
	if half := int64(len(p.image)); info.Size > half || info.Free > half || info.Free >= whole.Free {
		t.Errorf("%d bytes, %d free of %d; it had %d free", info.Size, info.Free, half, whole.Free)
	}
}

func TestARootThatIsNoDirectoryIsAnError(t *testing.T) {
	p := newPatient(t, "ext4-no-csum")
	le.PutUint16(p.inode(rootIno), 0o100644)
	_, err := Open(bytes.NewReader(p.image), int64(len(p.image)))
	if !errors.Is(err, fstree.ErrDamaged) || !strings.Contains(err.Error(), "root directory") {
		t.Error(err)
	}
}

// Where the copies are damaged too the group is lost, and no other.
func TestADescriptorWithoutASoundCopyLosesItsGroup(t *testing.T) {
	p := newPatient(t, "ext4-no-flex-bg")
	copies := []int64{2, 1026, 3074, 5122, 7170, 9218}
	for i, block := range copies {
		le.PutUint32(p.image[block<<10+64+8:], 1<<31) // group 1
		e, err := open(bytes.NewReader(p.image), int64(len(p.image)))
		if err != nil {
			t.Fatal(err)
		}
		g, err := e.groups.get(1)
		if last := i == len(copies)-1; last != errors.Is(err, fstree.ErrDamaged) || !last && !g.copied {
			t.Errorf("%d of %d damaged: %v", i+1, len(copies), err)
		}
		if g, err := e.groups.get(2); err != nil || g.copied {
			t.Errorf("group 2: %v", err)
		}
	}
}

// Names of one hash may go on in the next leaf, whose own hash is odd then.
func TestNamesOfOneHashAreFoundInTheNextLeaf(t *testing.T) {
	p := newPatient(t, "ext4-no-csum")
	many := p.find("many")
	root := p.block(many, 0)
	hasher, ok := p.e.hasher(root[indexRootInfo+4])
	if !ok {
		t.Fatal("no hash")
	}
	entries := root[indexRootInfo+8:]
	leaf := p.block(many, uint64(le.Uint32(entries[indexEntrySize+4:])))
	var name string
	if _, err := p.e.scan(many, dirBlock{data: leaf}, func(d dirent) bool { name = string(d.name); return false }); err != nil || name == "" {
		t.Fatalf("a leaf without names: %v", err)
	}
	hash, _ := hasher([]byte(name))
	le.PutUint32(entries[indexEntrySize:], hash|1)
	e, err := open(bytes.NewReader(p.image), int64(len(p.image)))
	if err != nil {
		t.Fatal(err)
	}
	if d, err := e.lookupHashed(many, []byte(name)); err != nil || string(d.name) != name {
		t.Errorf("%q: %v", name, err)
	}
	le.PutUint32(entries[indexEntrySize:], hash&^1+2)
	if e, err = open(bytes.NewReader(p.image), int64(len(p.image))); err != nil {
		t.Fatal(err)
	}
	if _, err := e.lookupHashed(many, []byte(name)); err != fs.ErrNotExist {
		t.Errorf("%q in a leaf of another hash: %v", name, err)
	}
}

// A commit whose checksum is wrong ends the journal: as something of an earlier
// use of the ring if it is older, as one that is torn where commits do not wait for
// the blocks before them, else as damage.
func TestWhatAWrongChecksumOfACommitMeans(t *testing.T) {
	commit := func(time uint64) []byte {
		b := make([]byte, 1024)
		be.PutUint64(b[0x30:], time)
		b[0x10] = 1 // the checksum
		return b
	}
	for _, tt := range []struct {
		name                    string
		compat, incompat        featureSet
		suspect                 bool
		commit                  []byte
		more, damaged, unusable bool
	}{
		{"damaged", 0, journalChecksumV3, false, commit(100), false, true, false},
		{"perhaps torn", 0, journalChecksumV3 | journalAsyncCommit, false, commit(100), false, false, false},
		{"of an earlier use", 0, journalChecksumV3, false, commit(10), false, false, false},
		{"of an earlier use, with its descriptor", 0, journalChecksumV3, true, commit(10), false, false, false},
		{"descriptor damaged", 0, journalChecksumV3, true, commit(100), false, false, true},
		{"version 1, without one", journalChecksum, 0, false, make([]byte, 1024), true, false, false},
		{"version 1, wrong", journalChecksum, 0, false, commit(100), false, true, false},
		{"no checksums", 0, 0, false, commit(100), true, false, false},
	} {
		r := &recovery{j: &journal{compat: tt.compat, incompat: tt.incompat}, blocks: map[uint64]tagged{}, suspect: tt.suspect, lastTime: 50}
		if tt.more && be.Uint64(tt.commit[0x30:]) == 0 {
			r.lastTime = 0
		}
		more, err := r.commit(tt.commit)
		if more != tt.more || errors.Is(err, fstree.ErrDamaged) != tt.unusable || (r.damage != nil) != tt.damaged {
			t.Errorf("%s: more %v, %v, damage %v", tt.name, more, err, r.damage)
		}
	}
}
