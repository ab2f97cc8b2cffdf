package imagefs_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/adapters/diskfs/lvm"
	"github.com/qedfs/qedfs/adapters/diskfs/mdraid"
	"github.com/qedfs/qedfs/adapters/diskfs/partition"
)

// openDisks opens some disks that are in memory.
func openDisks(t *testing.T, names []string, disks ...[]byte) *imagefs.Disk {
	t.Helper()
	var list []imagefs.NamedDisk
	for i, b := range disks {
		list = append(list, imagefs.NamedDisk{Name: names[i], Disk: memoryDisk(t, b)})
	}
	d, err := imagefs.OpenDisks(list, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func volumeNames(t *testing.T, d *imagefs.Disk) []string {
	t.Helper()
	volumes, err := d.Volumes()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range volumes {
		names = append(names, v.Name)
	}
	return names
}

func TestAFurtherDiskGivesItsNameOnlyWhereTwoVolumesWouldClash(t *testing.T) {
	b := rawDisk(t, "gpt.qed")
	other := make([]byte, 1<<20)
	d := openDisks(t, []string{"system", "da/ta", "da/ta", ""}, b, b, b, other)
	escaped := fstree.EscapeName("da/ta")
	want := []string{"p1", "p2", escaped + ".p1", escaped + ".p2", escaped + ".2.p1", escaped + ".2.p2", "disk"}
	if got := volumeNames(t, d); !slices.Equal(got, want) {
		t.Errorf("volumes are %q, want %q", got, want)
	}
	volumes, _ := d.Volumes()
	disks := d.Disks()
	for i, number := range []int{0, 0, 1, 1, 2, 2, 3} {
		on, n := volumes[i].OnDisk()
		if n != number || on != disks[number].Disk || volumes[i].Disk != disks[number].Name {
			t.Errorf("%s is on disk %d, %s", volumes[i].Name, n, volumes[i].Disk)
		}
	}
	seen := map[fstree.FileID]string{}
	for e, err := range d.FS().Walk(context.Background(), ".", nil) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Path == "." {
			continue
		}
		if same := seen[e.FileID()]; same != "" && !strings.HasPrefix(e.Path, strings.SplitN(same, "/", 2)[0]+"/") {
			t.Fatalf("%s is the same file as %s", e.Path, same)
		}
		seen[e.FileID()] = e.Path
	}
}

func TestOneDiskAmongSeveralConstructorsIsTheSame(t *testing.T) {
	d := openDisks(t, []string{"named"}, rawDisk(t, "gpt.qed"))
	volumes, err := d.Volumes()
	if err != nil || len(volumes) != 2 || volumes[0].Disk != "" || d.Disks()[0].Name != "" {
		t.Errorf("%v, %v", volumes, err)
	}
	if _, err := imagefs.OpenDisks(nil, nil); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("no disks: %v", err)
	}
}

// member makes a device of an array in which the devices follow each other.
func member(number, count int, name string, data []byte) []byte {
	const start = 64 << 10
	le := binary.LittleEndian
	b := make([]byte, start+len(data))
	copy(b[start:], data)
	sb := b[4096:8192]
	le.PutUint32(sb, 0xa92b4efc)
	le.PutUint32(sb[4:], 1)
	copy(sb[16:], "sixteen bytes...")
	copy(sb[32:], "host:"+name)
	le.PutUint32(sb[72:], 0xffffffff) // linear
	le.PutUint32(sb[92:], uint32(count))
	le.PutUint64(sb[128:], start/512)
	le.PutUint64(sb[136:], uint64(len(data)/512))
	le.PutUint64(sb[144:], 8)
	le.PutUint32(sb[160:], uint32(number))
	le.PutUint64(sb[208:], 1<<64-1)
	le.PutUint32(sb[220:], 8)
	for i := range 8 {
		le.PutUint16(sb[256+2*i:], uint16(i))
	}
	var sum uint64
	for i := 0; i < 256+16; i += 4 {
		sum += uint64(le.Uint32(sb[i:]))
	}
	le.PutUint32(sb[216:], uint32(sum)+uint32(sum>>32))
	return b
}

// halves are two members of an array that holds b.
func halves(name string, b []byte) (first, second []byte) {
	half := len(b) / 3 / 4096 * 4096
	return member(0, 2, name, b[:half]), member(1, 2, name, b[half:])
}

func TestAnArrayOfTwoDisksHasThePartitionsInIt(t *testing.T) {
	whole := rawDisk(t, "gpt.qed")
	first, second := halves("0", whole)
	d := openDisks(t, []string{"b", "a"}, second, first)
	if got, want := volumeNames(t, d), []string{"disk", "a.disk", "md0p1", "md0p2"}; !slices.Equal(got, want) {
		t.Fatalf("volumes are %q, want %q", got, want)
	}
	list, err := fs.ReadDir(d.FS(), ".")
	if err != nil || len(list) != 2 || list[0].Name() != "md0p1" {
		t.Errorf("the root lists %v, %v", list, err)
	}
	v, err := d.Volume("md0p2")
	if err != nil || v.Offset != -1 || v.Kind != imagefs.PartitionVolume || v.Partition == nil {
		t.Errorf("%+v, %v", v, err)
	}
	plain := openDisks(t, []string{""}, whole)
	if got, want := listing(t, d, "md0p2"), listing(t, plain, "p2"); got != want || got == "" {
		t.Errorf("files are\n%swant\n%s", got, want)
	}
}

// listing is every path below a directory.
func listing(t *testing.T, d *imagefs.Disk, dir string) string {
	t.Helper()
	sub, err := fs.Sub(d.FS(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	err = fs.WalkDir(sub, ".", func(name string, e fs.DirEntry, err error) error {
		fmt.Fprintln(&b, name, e.Type(), err)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAMissingDiskIsAProblemAndAnErrorOfItsVolumes(t *testing.T) {
	first, _ := halves("data", rawDisk(t, "gpt.qed"))
	d := openDisks(t, []string{"one"}, first)
	list, err := fs.ReadDir(d.FS(), ".")
	if !errors.Is(err, mdraid.ErrMissing) || !strings.Contains(err.Error(), "device 1 of 2 is missing") || len(list) != 1 || list[0].Name() != "md-data" {
		t.Errorf("the root lists %v, %v", list, err)
	}
	if _, err := fs.ReadDir(d.FS(), "md-data"); !errors.Is(err, mdraid.ErrMissing) {
		t.Errorf("the array lists %v", err)
	}
}

// physical makes a physical volume of LVM with the text of its group.
func physical(id string, text string, extents []byte) []byte {
	le := binary.LittleEndian
	sum := func(b []byte) uint32 { return ^crc32.Update(^uint32(0xf597a6cf), crc32.IEEETable, b) }
	const start, area = 1 << 20, 64 << 10
	b := make([]byte, start+len(extents))
	copy(b[start:], extents)
	label := b[512:1024]
	copy(label, "LABELONE")
	le.PutUint64(label[8:], 1)
	le.PutUint32(label[20:], 32)
	copy(label[24:], "LVM2 001"+id)
	le.PutUint64(label[72:], start)
	le.PutUint64(label[104:], 4096)
	le.PutUint64(label[112:], area)
	le.PutUint32(label[16:], sum(label[20:]))
	header := b[4096:4608]
	copy(header[4:], " LVM2 x[5A%r0N*>\x01")
	le.PutUint64(header[24:], 4096)
	le.PutUint64(header[32:], area)
	le.PutUint64(header[40:], 512)
	le.PutUint64(header[48:], uint64(len(text)))
	le.PutUint32(header[56:], sum([]byte(text)))
	le.PutUint32(header, sum(header[4:]))
	copy(b[4608:], text)
	return b
}

// spanned is a group whose only volume has its first MiB on one physical volume
// and the rest on another.
func spanned(b []byte) (first, second []byte) {
	id := func(c string) string { return strings.Repeat(c, 32) }
	text := fmt.Sprintf(`vg { id = "V" seqno = 1 extent_size = 2048
physical_volumes {
 pv0 { id = %q pe_start = 2048 pe_count = 1 device = "/dev/sda" }
 pv1 { id = %q pe_start = 2048 pe_count = %d device = "/dev/sdb" } }
logical_volumes { root { id = "R" status = ["VISIBLE"] segment_count = 2
 segment1 { start_extent = 0 extent_count = 1 type = "striped" stripes = ["pv0", 0] }
 segment2 { start_extent = 1 extent_count = %[3]d type = "striped" stripes = ["pv1", 0] } } } }
`, id("a"), id("b"), len(b)>>20-1)
	return physical(id("a"), text, b[:1<<20]), physical(id("b"), text, b[1<<20:])
}

func TestAGroupSpansDisksAndArraysThatStandOnDisks(t *testing.T) {
	ext := rawDisk(t, "gpt.qed")[secondVolume : secondVolume+16777216]
	plain := openDisks(t, []string{""}, rawDisk(t, "gpt.qed"))
	want := listing(t, plain, "p2")
	one, two := spanned(ext)
	d := openDisks(t, []string{"a", "b"}, one, two)
	if got := listing(t, d, "vg-root"); got != want {
		t.Errorf("files of a group on two disks are\n%swant\n%s", got, want)
	}
	if list, err := fs.ReadDir(d.FS(), "."); err != nil || len(list) != 1 {
		t.Errorf("the root lists %v, %v", list, err)
	}

	left, right := halves("0", two)
	d = openDisks(t, []string{"a", "b", "c"}, left, one, right)
	if got := listing(t, d, "vg-root"); got != want {
		t.Errorf("files of a group on a disk and an array are\n%swant\n%s", got, want)
	}
	if v, err := d.Volume("vg-root"); err != nil || v.Disk != "b" {
		t.Errorf("%+v, %v", v, err)
	}

	d = openDisks(t, []string{"a"}, one)
	list, err := fs.ReadDir(d.FS(), ".")
	if !errors.Is(err, lvm.ErrMissing) || !strings.Contains(err.Error(), "of group vg: pv1 with the UUID "+strings.Repeat("b", 32)+", last seen as /dev/sdb") || len(list) != 1 {
		t.Errorf("without a disk the root lists %v, %v", list, err)
	}
	if _, err := fs.Stat(d.FS(), "vg-root"); !errors.Is(err, lvm.ErrMissing) || !strings.Contains(err.Error(), "last seen as /dev/sdb") {
		t.Errorf("without a disk: %v", err)
	}
}

// mirror is a member of a mirror that holds a disk.
func mirror(whole []byte) []byte {
	// Superblock 1.0 lies at the end, and a mirror's partition table at the start.
	b := append(bytes.Clone(whole), make([]byte, 64<<10)...)
	sb := member(0, 1, "0", nil)[4096:8192]
	le := binary.LittleEndian
	at := (len(b)/512 - 16) / 8 * 8
	le.PutUint32(sb[72:], 1)
	le.PutUint64(sb[80:], uint64(len(whole)/512))
	le.PutUint64(sb[128:], 0)
	le.PutUint64(sb[136:], uint64(len(whole)/512))
	le.PutUint64(sb[144:], uint64(at))
	le.PutUint32(sb[216:], 0)
	var sum uint64
	for i := 0; i < 256+16; i += 4 {
		sum += uint64(le.Uint32(sb[i:]))
	}
	le.PutUint32(sb[216:], uint32(sum)+uint32(sum>>32))
	copy(b[at*512:], sb)
	return b
}

func TestAWholeDiskThatIsAMemberHasNoPartitionsOfItsOwn(t *testing.T) {
	d := openDisks(t, []string{""}, mirror(rawDisk(t, "gpt.qed")))
	if got, want := volumeNames(t, d), []string{"disk", "md0p1", "md0p2"}; !slices.Equal(got, want) {
		t.Errorf("volumes are %q, want %q", got, want)
	}
}

func TestWhatIsWrongWithThePartitionTableOfAnArrayIsTold(t *testing.T) {
	whole := rawDisk(t, "gpt.qed")
	whole[512+16] ^= 0xff // the checksum of the first header
	d := openDisks(t, []string{""}, mirror(whole))
	notes, err := d.Notes()
	if err != nil || !slices.ContainsFunc(notes, func(n imagefs.Note) bool { return strings.HasPrefix(n.Text, "md0: the primary GPT is damaged") }) {
		t.Errorf("one copy: %+v, %v", notes, err)
	}
	whole[len(whole)-512+16] ^= 0xff // and of the other
	d = openDisks(t, []string{""}, mirror(whole))
	if _, err := fs.ReadDir(d.FS(), "."); !errors.Is(err, partition.ErrDamaged) || !strings.Contains(err.Error(), "md0: ") {
		t.Errorf("both: %v", err)
	}
}

func TestMembersOfFirmwareArraysAreNamed(t *testing.T) {
	b := rawDisk(t, "gpt.qed")
	copy(b[len(b)-1024:], "Intel Raid ISM Cfg Sig. 1.3.00")
	list, err := fs.ReadDir(openDisks(t, []string{""}, b).FS(), ".")
	if err == nil || !strings.Contains(err.Error(), "isw_raid_member") || len(list) != 2 {
		t.Errorf("the root lists %v, %v", list, err)
	}
}
