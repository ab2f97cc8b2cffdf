package btrfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/btrfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// layout is a filesystem on several devices.
type layout struct {
	name    string
	devices int
	mkfs    []string
	opts    string // of the mount that fills it
	lost    int    // devices that may be missing
	copies  bool   // one device may hold anything, because all is on others too
}

var layouts = []layout{
	{"single", 3, []string{"-m", "single", "-d", "single"}, "", 0, false},
	{"dup", 1, []string{"-m", "dup", "-d", "dup"}, "", 0, false},
	{"raid0", 3, []string{"-m", "raid0", "-d", "raid0", "--csum", "xxhash"}, "", 0, false},
	{"raid1", 3, []string{"-m", "raid1", "-d", "raid1", "--csum", "sha256"}, "", 1, true},
	{"raid1c3", 4, []string{"-m", "raid1c3", "-d", "raid1c3", "--csum", "blake2"}, "", 2, true},
	{"raid1c4", 4, []string{"-m", "raid1c4", "-d", "raid1c4"}, "compress-force=zstd", 3, true},
	{"raid10", 5, []string{"-m", "raid10", "-d", "raid10"}, "", 1, true},
	{"raid5", 4, []string{"-m", "raid5", "-d", "raid5"}, "", 1, true},
	{"raid6", 5, []string{"-m", "raid6", "-d", "raid6"}, "", 2, true},
	{"raid5 of two", 2, []string{"-m", "raid1", "-d", "raid5"}, "", 1, true},
	{"raid6 of three", 3, []string{"-m", "raid1c3", "-d", "raid6"}, "compress=lzo", 2, true},
	{"raid0 with raid1", 2, []string{"-m", "raid1", "-d", "raid0"}, "", 0, false},
	{"raid1 without data checksums", 2, []string{"-m", "raid1", "-d", "raid1"}, "nodatasum", 1, false},
	{"mixed groups", 2, []string{"-M", "-n", "4096", "-m", "raid0", "-d", "raid0"}, "", 0, false},
}

const deviceSize = 256 << 20

// markers is a file whose sectors are all different, and can be found in images.
const markers, markedSectors = "markers", 600

func marker(i int) []byte {
	b := oracle.Mixed(oracleRand(uint64(i)), 4096)
	copy(b, fmt.Sprintf("marked sector %4d ", i))
	return b
}

func fillMarked(tb testing.TB, dir string) {
	tb.Helper()
	fstreetest.Tree{Entries: 400, Extents: 200}.Fill(tb, dir)
	var all []byte
	for i := range markedSectors {
		all = append(all, marker(i)...)
	}
	if err := os.WriteFile(filepath.Join(dir, markers), all, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// attached are images as block devices. The kernel forgets them in the end.
func attached(tb testing.TB, images []string) []string {
	tb.Helper()
	var loops []string
	for _, image := range images {
		loops = append(loops, strings.TrimSpace(oracle.Run(tb, "losetup", "--find", "--show", image)))
	}
	return loops
}

func detach(tb testing.TB, loops []string) {
	tb.Helper()
	for _, l := range loops {
		_ = exec.Command("btrfs", "device", "scan", "--forget", l).Run()
		oracle.Run(tb, "losetup", "-d", l)
	}
}

// mounted mounts the filesystem of some images for the time of a function.
func mounted(tb testing.TB, images []string, opts string, do func(dir string)) {
	tb.Helper()
	loops := attached(tb, images)
	defer detach(tb, loops)
	var devices []string
	for _, l := range loops {
		devices = append(devices, "device="+l)
	}
	if opts != "" {
		devices = append(devices, opts)
	}
	dir := tb.TempDir()
	oracle.Run(tb, "mount", "-t", "btrfs", "-o", strings.Join(devices, ","), loops[0], dir)
	defer func() {
		// With a lost device the kernel may need a moment until nothing uses it.
		oracle.Run(tb, "umount", dir)
	}()
	do(dir)
}

// formatted makes the images of a layout, filled by the kernel.
func formatted(tb testing.TB, l layout, fill func(testing.TB, string)) []string {
	tb.Helper()
	oracle.Root(tb)
	dir := tb.TempDir()
	var images []string
	for i := range l.devices {
		name := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			tb.Fatal(err)
		}
		if err := os.Truncate(name, deviceSize); err != nil {
			tb.Fatal(err)
		}
		images = append(images, name)
	}
	args := mkfs(append(l.mkfs, images...)...)
	oracle.Run(tb, args[0], args[1:]...)
	mounted(tb, images, l.opts, func(dir string) { fill(tb, dir) })
	return images
}

func manifest(tb testing.TB, images []string, opts string) (records []fstreetest.Record) {
	tb.Helper()
	mounted(tb, images, opts, func(dir string) { records = fstreetest.Manifest(tb, dir) })
	return records
}

// opened opens the filesystem of some images, nil for what is left out.
func opened(tb testing.TB, images ...string) (*fstree.FS, error) {
	tb.Helper()
	var devices []btrfs.Device
	for _, name := range images {
		f, err := os.Open(name)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = f.Close() })
		info, err := f.Stat()
		if err != nil {
			tb.Fatal(err)
		}
		devices = append(devices, btrfs.Device{Name: filepath.Base(name), Reader: f, Size: info.Size()})
	}
	return btrfs.OpenDevices(devices, nil)
}

func without(images []string, left ...int) (rest []string) {
	for i, name := range images {
		if !slices.Contains(left, i) {
			rest = append(rest, name)
		}
	}
	return rest
}

// subsets are the choices of up to n of some numbers, without that of none.
func subsets(of, n int) (all [][]int) {
	for bits := 1; bits < 1<<of; bits++ {
		var s []int
		for i := range of {
			if bits>>i&1 != 0 {
				s = append(s, i)
			}
		}
		if len(s) <= n {
			all = append(all, s)
		}
	}
	return all
}

func TestEveryProfileIsReadAsTheKernelReadsIt(t *testing.T) {
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			skipUnlessLong(t, l.name, "raid1", "raid10", "raid5", "raid6 of three", "raid0 with raid1")
			images := formatted(t, l, fillMarked)
			records := manifest(t, images, "ro")
			for turn := range images { // whichever is first
				fsys, err := opened(t, append(slices.Clone(images[turn:]), images[:turn]...)...)
				if err != nil {
					t.Fatal(err)
				}
				fstreetest.Compare(t, fsys, records, 0)
				if notes := fsys.Info().Notes; len(notes) > 0 {
					t.Errorf("notes of whole devices: %q", notes)
				}
			}
			compareSize(t, images)
			for i, left := range someOf(subsets(l.devices, l.lost)) {
				rest := without(images, left...)
				if i == 0 {
					same(t, manifest(t, rest, "ro,degraded"), records)
				}
				degraded(t, rest, left, records)
			}
			if l.copies {
				noted := 0
				for i, bad := range someOf(subsets(l.devices, l.lost)) {
					noted += damagedDevices(t, images, bad, records, i == 0)
				}
				if noted == 0 {
					t.Error("no damage of any device was noted")
				}
			}
			if l.devices > 1 && l.lost == 0 {
				partly(t, images)
			}
		})
	}
}

// same compares what the kernel shows with what it showed of whole devices.
func same(t *testing.T, got, want []fstreetest.Record) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Error("the kernel shows something else than of whole devices")
	}
}

// skipUnlessLong leaves images to long runs, but some; with -short none is made.
func skipUnlessLong(t *testing.T, name string, always ...string) {
	t.Helper()
	if testing.Short() || !oracle.Long() && !slices.Contains(always, name) {
		t.Skip("a fresh image is made with CI_LONG=1")
	}
}

func compareSize(t *testing.T, images []string) {
	t.Helper()
	fsys, err := opened(t, images...)
	if err != nil {
		t.Fatal(err)
	}
	mounted(t, images, "ro", func(dir string) {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		if got, want := fsys.Info().Size, int64(st.Blocks)*int64(st.Bsize); got != want {
			t.Errorf("size %d, the kernel says %d", got, want)
		}
	})
}

// degraded compares what is read without some devices.
func degraded(t *testing.T, rest []string, left []int, records []fstreetest.Record) {
	t.Helper()
	fsys, err := opened(t, rest...)
	if err != nil {
		t.Fatalf("without %v: %v", left, err)
	}
	fstreetest.Compare(t, fsys, records, 0)
	notes := fsys.Info().Notes
	if len(notes) != 1 || !strings.Contains(notes[0], "missing") {
		t.Fatalf("notes without %v: %q", left, notes)
	}
	for _, i := range left {
		if !strings.Contains(notes[0], fmt.Sprintf("device %d (UUID ", i+1)) {
			t.Errorf("%q does not name device %d", notes[0], i+1)
		}
	}
}

// someOf is three of some sets of devices, the last one among them, or all of
// them in a long run.
func someOf(sets [][]int) [][]int {
	if n := len(sets); n > 3 && !oracle.Long() {
		return [][]int{sets[0], sets[n/2], sets[n-1]}
	}
	return sets
}

// damagedDevices overwrites all of some devices but their superblocks. It returns
// how many of them are noted: nothing may be asked of one that has second copies
// alone, and which has those is the kernel's choice.
func damagedDevices(t *testing.T, images []string, bad []int, records []fstreetest.Record, askKernel bool) (noted int) {
	t.Helper()
	images = slices.Clone(images)
	for _, i := range bad {
		images[i] = overwritten(t, images[i])
	}
	if askKernel {
		same(t, manifest(t, images, "ro"), records)
	}
	fsys, err := opened(t, images...)
	if err != nil {
		t.Fatalf("with damage on %v: %v", bad, err)
	}
	fstreetest.Compare(t, fsys, records, 0)
	notes := fsys.Info().Notes
	if len(notes) > len(bad) {
		t.Errorf("notes with damage on %v: %q", bad, notes)
	}
	for _, note := range notes {
		if !slices.ContainsFunc(bad, func(i int) bool { return strings.HasPrefix(note, fmt.Sprintf("%d (device %d ", i, i+1)) }) {
			t.Errorf("note with damage on %v: %q", bad, note)
		}
	}
	return len(notes)
}

// overwritten is a copy of an image that has nothing left but its superblock.
func overwritten(t *testing.T, image string) string {
	t.Helper()
	bad := filepath.Join(t.TempDir(), filepath.Base(image))
	oracle.Run(t, "cp", "--sparse=always", image, bad)
	f, err := os.OpenFile(bad, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	junk := bytes.Repeat([]byte{0xA5}, 1<<20)
	for off := int64(1 << 20); off < deviceSize; off += 1 << 20 {
		if _, err := f.WriteAt(junk, off); err != nil {
			t.Fatal(err)
		}
	}
	return bad
}

// partly compares which sectors can be read without one device.
func partly(t *testing.T, images []string) {
	t.Helper()
	for left := range images {
		rest := without(images, left)
		fsys, err := opened(t, rest...)
		if err != nil {
			if !errors.Is(err, btrfs.ErrMissing) || !strings.Contains(err.Error(), fmt.Sprintf("device %d (UUID ", left+1)) {
				t.Errorf("without %d: %v", left, err)
			}
			if mountable(t, rest) {
				t.Errorf("without %d: the kernel mounts it", left)
			}
			continue
		}
		if !mountable(t, rest) { // for it needs trees that reading does not
			t.Logf("without %d: the kernel does not mount it", left)
			continue
		}
		mounted(t, rest, "ro,degraded", func(dir string) {
			lost := sameSectors(t, fsys, filepath.Join(dir, markers), btrfs.ErrMissing)
			t.Logf("without %d: %d of %d sectors are lost", left, lost, markedSectors)
		})
	}
}

func mountable(t *testing.T, images []string) bool {
	t.Helper()
	loops := attached(t, images)
	defer detach(t, loops)
	dir := t.TempDir()
	if exec.Command("mount", "-t", "btrfs", "-o", "ro,degraded,device="+strings.Join(loops, ",device="), loops[0], dir).Run() != nil {
		return false
	}
	oracle.Run(t, "umount", dir)
	return true
}

// sameSectors compares a marked file sector by sector with the kernel's: either
// both read it or none does. It returns how many sectors cannot be read.
func sameSectors(t *testing.T, fsys *fstree.FS, kernels string, reason error) (lost int) {
	t.Helper()
	k, err := os.Open(kernels)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	// Read-ahead would be refused as a whole.
	if err := unix.Fadvise(int(k.Fd()), 0, 0, unix.FADV_RANDOM); err != nil {
		t.Fatal(err)
	}
	f, err := fsys.Open(filepath.Base(kernels))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ours, theirs := make([]byte, 4096), make([]byte, 4096)
	for i := range markedSectors {
		_, want := k.ReadAt(theirs, int64(i)*4096)
		n, got := f.(io.ReaderAt).ReadAt(ours, int64(i)*4096)
		switch {
		case (got == nil) != (want == nil):
			t.Fatalf("sector %d: %v, the kernel: %v", i, got, want)
		case got == nil && !bytes.Equal(ours, theirs):
			t.Fatalf("sector %d differs from the kernel's", i)
		case got != nil:
			lost++
			var pe *fs.PathError
			if n != 0 || !errors.Is(got, reason) || !errors.As(got, &pe) || !strings.Contains(got.Error(), fmt.Sprintf("byte %d:", i*4096)) {
				t.Fatalf("sector %d: %d, %v", i, n, got)
			}
		}
	}
	return lost
}

func oracleRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }
