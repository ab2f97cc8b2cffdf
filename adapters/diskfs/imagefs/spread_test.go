package imagefs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/btrfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/qedfile"
)

// btrfsDisks are the committed devices of a filesystem.
func btrfsDisks(t *testing.T, names ...string) (list []imagefs.NamedDisk) {
	t.Helper()
	for _, name := range names {
		m, err := qedfile.Open("../../../testdata/btrfs/"+name+".qed", nil)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, imagefs.NamedDisk{Name: name, Disk: m})
	}
	return list
}

func openAll(t *testing.T, disks []imagefs.NamedDisk) (*imagefs.Disk, []imagefs.Volume) {
	t.Helper()
	d, err := imagefs.OpenDisks(disks, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	volumes, err := d.Volumes()
	if err != nil {
		t.Fatal(err)
	}
	return d, volumes
}

func TestAFilesystemOnSeveralDisksIsOneOfTheFirst(t *testing.T) {
	d, volumes := openAll(t, btrfsDisks(t, "raid6-4", "raid6-2", "raid6-1", "raid6-3"))
	if len(volumes) != 4 {
		t.Fatalf("%v", volumes)
	}
	for i, v := range volumes {
		_, err := v.FS()
		switch {
		case v.Filesystem != "btrfs" || v.Size != 128<<20 || v.UUID != volumes[0].UUID:
			t.Errorf("%+v", v)
		case i == 0 && (v.MemberOf != "" || err != nil):
			t.Errorf("%+v, %v", v, err)
		case i > 0 && (v.MemberOf != "disk" || !errors.Is(err, imagefs.ErrNoFiles) || !strings.Contains(err.Error(), "filesystem in disk")):
			t.Errorf("%+v, %v", v, err)
		}
		if whole := imagefs.Whole(volumes, &v); whole.Name != "disk" {
			t.Errorf("%s belongs to %s", v.Name, whole.Name)
		}
	}
	list, err := fs.ReadDir(d.FS(), ".")
	if err != nil || len(list) != 1 || list[0].Name() != "disk" {
		t.Errorf("%v, %v", list, err)
	}
	if b, err := fs.ReadFile(d.FS(), "disk/etc/hostname"); err != nil || string(b) != "example\n" {
		t.Errorf("%q, %v", b, err)
	}
	if notes, err := d.Notes(); err != nil || len(notes) != 0 {
		t.Errorf("%+v, %v", notes, err)
	}
}

func TestADeviceAloneSaysWhatIsMissing(t *testing.T) {
	d, _ := openAll(t, btrfsDisks(t, "raid1-2"))
	if b, err := fs.ReadFile(d.FS(), "disk/etc/hostname"); err != nil || string(b) != "example\n" {
		t.Errorf("%q, %v", b, err)
	}
	notes, err := d.Notes()
	if err != nil || len(notes) != 1 || !notes[0].Missing || notes[0].Volume != "disk" || !strings.HasPrefix(notes[0].Text, "device 1 (UUID ") {
		t.Errorf("%+v, %v", notes, err)
	}
	d, _ = openAll(t, btrfsDisks(t, "raid6-2"))
	if _, err := fs.ReadFile(d.FS(), "disk/sectors"); !errors.Is(err, btrfs.ErrMissing) || !strings.Contains(err.Error(), "device 1 (UUID ") {
		t.Errorf("%v", err)
	}
}

func TestASeedIsAFilesystemOfItsOwnToo(t *testing.T) {
	d, volumes := openAll(t, btrfsDisks(t, "seed-1", "sprout-1"))
	if len(volumes) != 2 || volumes[1].MemberOf != "" {
		t.Fatalf("%+v", volumes)
	}
	if b, err := fs.ReadFile(d.FS(), "sprout-1.disk/sprouted"); err != nil || string(b) != "written after the seed\n" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := fs.ReadFile(d.FS(), "sprout-1.disk/sectors"); err != nil {
		t.Error(err)
	}
	if _, err := fs.Stat(d.FS(), "disk/sprouted"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if notes, err := d.Notes(); err != nil || len(notes) != 0 {
		t.Errorf("%+v, %v", notes, err)
	}
}

// Of a filesystem on one device a copy is another filesystem, as ever.
func TestCopiesOfADiskAreNotPutTogether(t *testing.T) {
	d, volumes := openAll(t, btrfsDisks(t, "seed-1", "seed-1"))
	if len(volumes) != 2 || volumes[0].MemberOf != "" || volumes[1].MemberOf != "" {
		t.Fatalf("%+v", volumes)
	}
	if list, err := fs.ReadDir(d.FS(), "."); err != nil || len(list) != 2 {
		t.Errorf("%v, %v", list, err)
	}
}

// Partitions of one disk may be the devices as well.
func TestDevicesMayBePartitionsOfOneDisk(t *testing.T) {
	const start, part = 1 << 20, 128 << 20
	members := btrfsDisks(t, "raid1-1", "raid1-2")
	table := make([]byte, 512)
	for i := range 2 {
		entry := table[446+16*i:]
		entry[4] = 0x83
		for j, n := range []uint32{uint32(start+i*part) / 512, part / 512} {
			for k := range 4 {
				entry[8+4*j+k] = byte(n >> (8 * k))
			}
		}
	}
	table[510], table[511] = 0x55, 0xaa
	r := joined{table, []io.ReaderAt{members[0].Disk, members[1].Disk}, start, part}
	d, err := imagefs.NewReader(r, start+2*part, &imagefs.Options{Format: imagefs.FormatRaw})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	volumes, err := d.Volumes()
	if err != nil || len(volumes) != 2 || volumes[1].MemberOf != "p1" {
		t.Fatalf("%+v, %v", volumes, err)
	}
	if b, err := fs.ReadFile(d.FS(), "p1/sectors"); err != nil || len(b) != 64*4096 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if notes, err := d.Notes(); err != nil || slices.ContainsFunc(notes, func(n imagefs.Note) bool { return n.Missing }) {
		t.Errorf("%+v, %v", notes, err)
	}
	if _, err := fs.ReadDir(d.FS(), "p2"); !errors.Is(err, imagefs.ErrNoFiles) {
		t.Error(err)
	}
}

// joined is a table and then parts of one length, from start on.
type joined struct {
	table       []byte
	parts       []io.ReaderAt
	start, part int64
}

func (j joined) ReadAt(p []byte, off int64) (int, error) {
	for done := 0; done < len(p); {
		at := off + int64(done)
		rest := p[done:]
		if at < j.start {
			rest = rest[:min(int64(len(rest)), j.start-at)]
			clear(rest)
			if at < int64(len(j.table)) {
				copy(rest, j.table[at:])
			}
		} else {
			i := (at - j.start) / j.part
			if i >= int64(len(j.parts)) {
				return done, io.EOF
			}
			inside := (at - j.start) % j.part
			rest = rest[:min(int64(len(rest)), j.part-inside)]
			if n, err := j.parts[i].ReadAt(rest, inside); n < len(rest) {
				return done + n, fmt.Errorf("part %d: %w", i, err)
			}
		}
		done += len(rest)
	}
	return len(p), nil
}

// spoilt spoils a sector wherever it lies on a disk.
type spoilt struct {
	qedfile.Disk
	sector string
}

func (s spoilt) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.Disk.ReadAt(p, off)
	if i := strings.Index(string(p[:n]), s.sector); i >= 0 {
		p[i] = 'S'
	}
	return n, err
}

func TestChecksumsOfDataAreVerifiedUnlessTheyAreIgnored(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		var disks []imagefs.NamedDisk
		for _, d := range btrfsDisks(t, "raid1-1", "raid1-2") {
			disks = append(disks, imagefs.NamedDisk{Name: d.Name, Disk: spoilt{d.Disk, "sector 9 "}})
		}
		d, err := imagefs.OpenDisks(disks, &imagefs.Options{IgnoreDataChecksums: ignore})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		b, err := fs.ReadFile(d.FS(), "disk/sectors")
		if ignore && (err != nil || !strings.Contains(string(b), "Sector 9 ")) || !ignore && !errors.Is(err, fstree.ErrDamaged) {
			t.Errorf("ignored %t: %v", ignore, err)
		}
	}
}
