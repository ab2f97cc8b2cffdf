package btrfs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/btrfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// device is a committed image, with patches over it.
type device struct {
	io.ReaderAt
	size    int64
	patches []patch
}

type patch struct {
	off  int64
	data []byte
}

func (d *device) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.ReaderAt.ReadAt(p, off)
	for _, patch := range d.patches {
		start, end := max(off, patch.off), min(off+int64(n), patch.off+int64(len(patch.data)))
		if start < end {
			copy(p[start-off:end-off], patch.data[start-patch.off:])
		}
	}
	return n, err
}

// devices opens the committed images of a filesystem.
func devices(tb testing.TB, name string, count int) (list []*device) {
	tb.Helper()
	for i := range count {
		m, err := qedfile.Open(fmt.Sprintf("../../../../testdata/btrfs/%s-%d.qed", name, i+1), nil)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = m.Close() })
		list = append(list, &device{ReaderAt: m, size: m.Size()})
	}
	return list
}

// named makes Devices of what is not nil.
func named(list []*device) (out []btrfs.Device) {
	for i, d := range list {
		if d != nil {
			out = append(out, btrfs.Device{Name: string(rune('a' + i)), Reader: d, Size: d.size})
		}
	}
	return out
}

func openDevices(tb testing.TB, list ...*device) *fstree.FS {
	tb.Helper()
	fsys, err := btrfs.OpenDevices(named(list), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return fsys
}

const sectors = 64

// sector is one of the file "sectors".
func sector(i int) []byte { return fmt.Appendf(nil, "%-4095s\n", fmt.Sprintf("sector %d", i)) }

// contents reads every file; what cannot be read is its error.
func contents(fsys fs.FS) map[string]any {
	all := make(map[string]any)
	_ = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			all[name] = err
			return nil
		case d.Type() == fs.ModeSymlink:
			target, err := fs.ReadLink(fsys, name)
			if all[name] = target; err != nil {
				all[name] = err
			}
		case d.IsDir():
			all[name] = "directory"
		default:
			b, err := fs.ReadFile(fsys, name)
			if all[name] = string(b); err != nil {
				all[name] = err
			}
		}
		return nil
	})
	return all
}

// sameContents fails where something differs from what is right.
func sameContents(t *testing.T, what string, got, want map[string]any) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d files, want %d", what, len(got), len(want))
	}
	for name, w := range want {
		if g := got[name]; g != w {
			t.Errorf("%s: %s is %.80v", what, name, g)
		}
	}
}

func TestCommittedDevicesAreReadWholeAndDegraded(t *testing.T) {
	for name, c := range map[string]struct{ devices, lost int }{"raid1": {2, 1}, "raid6": {4, 2}} {
		list := devices(t, name, c.devices)
		whole := openDevices(t, list...)
		want := contents(whole)
		for i := range sectors {
			if got, ok := want["sectors"].(string); !ok || got[i*4096:(i+1)*4096] != string(sector(i)) {
				t.Fatalf("%s: sector %d differs", name, i)
			}
		}
		if len(want) != 20 || want["etc/hostname"] != "example\n" || want["etc/hello"] != "../usr/bin/hello" || len(whole.Info().Notes) != 0 {
			t.Errorf("%s: %d files, hostname %q, notes %q", name, len(want), want["etc/hostname"], whole.Info().Notes)
		}
		for bits := 1; bits < 1<<c.devices-1; bits++ {
			rest := slices.Clone(list)
			var left []string
			for i := range rest {
				if bits>>i&1 != 0 {
					rest[i] = nil
					left = append(left, fmt.Sprintf("device %d (UUID ", i+1))
				}
			}
			fsys, err := btrfs.OpenDevices(named(rest), nil)
			if err != nil && len(left) > c.lost && errors.Is(err, btrfs.ErrMissing) && strings.Contains(err.Error(), left[0]) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			info := fsys.Info()
			for _, device := range left {
				if !strings.Contains(info.Missing, device) {
					t.Errorf("%s without %q: %q", name, left, info.Missing)
				}
			}
			if !slices.Contains(info.Notes, info.Missing) {
				t.Errorf("notes %q", info.Notes)
			}
			if len(left) <= c.lost {
				sameContents(t, fmt.Sprintf("%s without %q", name, left), contents(fsys), want)
				continue
			}
			_, err = fsys.ReadFile("sectors")
			if !errors.Is(err, btrfs.ErrMissing) || !strings.Contains(err.Error(), left[0]) || !strings.Contains(err.Error(), left[2]) {
				t.Errorf("%s without %q: %v", name, left, err)
			}
		}
	}
}

// find is where the sectors of a file lie on a device.
func (d *device) find(tb testing.TB, b []byte) (found []int64) {
	tb.Helper()
	buf := make([]byte, 1<<20)
	for off := int64(0); off < d.size; off += int64(len(buf)) {
		if n, err := d.ReadAt(buf, off); n < len(buf) {
			tb.Fatal(err)
		}
		for at := 0; at < len(buf); at += 4096 {
			if bytes.Equal(buf[at:at+4096], b) {
				found = append(found, off+int64(at))
			}
		}
	}
	return found
}

func TestADamagedCopyIsNotTakenAndTold(t *testing.T) {
	list := devices(t, "raid1", 2)
	first, second := list[0].find(t, sector(7)), list[1].find(t, sector(7))
	if len(first) != 1 || len(second) != 1 {
		t.Fatalf("the sector lies at %v and %v", first, second)
	}
	// One of the two is asked first.
	var notes []string
	spoilt := [][]patch{{{first[0] + 4000, []byte{'x'}}}, {{second[0] + 4001, []byte{'x'}}}}
	for i := range list {
		list[i].patches = spoilt[i]
		fsys := openDevices(t, list...)
		if b, err := fsys.ReadFile("sectors"); err != nil || !bytes.Equal(b[7*4096:8*4096], sector(7)) {
			t.Fatalf("with one copy: %v", err)
		}
		for _, note := range fsys.Info().Notes {
			if notes = append(notes, note); !strings.HasPrefix(note, fmt.Sprintf("%c (device %d (UUID ", 'a'+i, i+1)) || !strings.Contains(note, "checksum does not match") {
				t.Errorf("note %q", note)
			}
		}
		list[i].patches = nil
	}
	if len(notes) != 1 {
		t.Errorf("notes %q", notes)
	}

	list[0].patches, list[1].patches = spoilt[0], spoilt[1]
	fsys := openDevices(t, list...)
	f, err := fsys.Open("sectors")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var pe *fs.PathError
	for _, part := range []struct{ off, n, good int64 }{
		{0, sectors * 4096, 7 * 4096}, {100, 50000, 7*4096 - 100}, {7 * 4096, 4096, 0}, {7*4096 + 5, 3, 0}, {7*4096 - 1, 2, 1},
	} {
		n, err := f.(io.ReaderAt).ReadAt(make([]byte, part.n), part.off)
		if int64(n) != part.good || !errors.As(err, &pe) || !errors.Is(err, fstree.ErrDamaged) || !strings.Contains(err.Error(), fmt.Sprintf("byte %d: ", part.off+part.good)) {
			t.Errorf("%d+%d: %d, %v", part.off, part.n, n, err)
		}
	}
	for _, part := range []struct{ off, n int64 }{{8 * 4096, 56 * 4096}, {8*4096 + 1, 100}, {6 * 4096, 4096}, {6*4096 + 4000, 96}} {
		if n, err := f.(io.ReaderAt).ReadAt(make([]byte, part.n), part.off); int64(n) != part.n || err != nil {
			t.Errorf("%d+%d: %d, %v", part.off, part.n, n, err)
		}
	}
	fsys, err = btrfs.OpenDevices(named(list), &btrfs.Options{IgnoreDataChecksums: true})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := fsys.ReadFile("sectors"); err != nil || bytes.Count(b[7*4096:8*4096], []byte{'x'}) != 1 {
		t.Errorf("without checksums: %v", err)
	}
}

// A file that was made to have none is read as it is.
func TestAFileWithoutChecksumsIsReadWithout(t *testing.T) {
	list := devices(t, "raid1", 2)
	line := []byte("line 200 of the log\n")
	for _, d := range list {
		buf := make([]byte, 1<<20)
		for off := int64(0); off < d.size; off += int64(len(buf)) {
			if _, err := d.ReadAt(buf, off); err != nil {
				t.Fatal(err)
			}
			for at := 0; ; {
				i := bytes.Index(buf[at:], line)
				if i < 0 {
					break
				}
				d.patches = append(d.patches, patch{off + int64(at+i), []byte("LINE")})
				at += i + 1
			}
		}
	}
	fsys := openDevices(t, list...)
	if b, err := fsys.ReadFile("var/log/unsummed"); err != nil || !bytes.HasSuffix(b, []byte("LINE 200 of the log\n")) {
		t.Errorf("%v", err)
	}
	if _, err := fsys.ReadFile("var/log/messages"); !errors.Is(err, fstree.ErrDamaged) {
		t.Errorf("one with checksums: %v", err)
	}
}

func TestADeviceThatCannotBeReadIsComputed(t *testing.T) {
	list := devices(t, "raid6", 4)
	want, told := contents(openDevices(t, list...)), 0
	for i := range list {
		bad := slices.Clone(list)
		// The superblock is read, as from a disk that fails later.
		bad[i] = &device{ReaderAt: breaksAt{list[i], 1 << 20}, size: list[i].size}
		fsys := openDevices(t, bad...)
		sameContents(t, fmt.Sprint("device ", i+1), contents(fsys), want)
		for _, note := range fsys.Info().Notes {
			if told++; !strings.Contains(note, errBroken.Error()) || !strings.HasPrefix(note, string(rune('a'+i))) {
				t.Errorf("note %q", note)
			}
		}
	}
	if told < 2 || told > len(list) { // one may have nothing but parity
		t.Errorf("%d notes", told)
	}
}

var errBroken = errors.New("the disk is broken")

type breaksAt struct {
	io.ReaderAt
	off int64
}

func (b breaksAt) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > b.off {
		return 0, errBroken
	}
	return b.ReaderAt.ReadAt(p, off)
}

func TestASproutIsReadWithItsSeed(t *testing.T) {
	seed, sprout := devices(t, "seed", 1)[0], devices(t, "sprout", 1)[0]
	found, err := btrfs.Scan(named([]*device{seed, sprout}))
	if err != nil || len(found) != 2 || found[0].Total != 1 || found[1].Total != 2 || len(found[1].Devices) != 1 || found[0].UUID == found[1].UUID || found[1].Label != "seed" {
		t.Fatalf("%+v, %v", found, err)
	}
	old, err := found[0].Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	grown, err := found[1].Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	was, is := contents(old), contents(grown)
	if is["sprouted"] != "written after the seed\n" || is["etc/hello"] != nil || len(grown.Info().Notes) != 0 {
		t.Errorf("%v, notes %q", is["sprouted"], grown.Info().Notes)
	}
	delete(is, "sprouted")
	is["etc/hello"] = was["etc/hello"]
	sameContents(t, "the sprout", is, was)

	alone := openDevices(t, sprout)
	if missing := alone.Info().Missing; !strings.Contains(missing, "device 1 (UUID ") {
		t.Errorf("missing %q", missing)
	}
	if _, err := alone.ReadFile("sectors"); !errors.Is(err, btrfs.ErrMissing) {
		t.Errorf("without the seed: %v", err)
	}
	if b, err := alone.ReadFile("sprouted"); err != nil || string(b) != "written after the seed\n" {
		t.Errorf("without the seed: %q, %v", b, err)
	}
}

func TestScanPassesOverWhatIsNoDevice(t *testing.T) {
	list := devices(t, "raid1", 2)
	nothing := &device{ReaderAt: bytes.NewReader(make([]byte, 1<<20)), size: 1 << 20}
	bad := &device{ReaderAt: list[1], size: list[1].size, patches: []patch{{64<<10 + 300, []byte("another label")}}}
	found, err := btrfs.Scan(named([]*device{nothing, list[0], bad}))
	if len(found) != 1 || len(found[0].Devices) != 1 || found[0].Devices[0].Name != "b" || !errors.Is(err, fstree.ErrDamaged) || !strings.HasPrefix(err.Error(), "c: ") {
		t.Errorf("%+v, %v", found, err)
	}
	if _, err := btrfs.OpenDevices(named([]*device{list[0], nothing}), nil); !errors.Is(err, fstree.ErrNotThis) {
		t.Errorf("with nothing: %v", err)
	}
	if _, err := btrfs.OpenDevices(nil, nil); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("without devices: %v", err)
	}
	// The other is gone for the kernel too.
	if fsys := openDevices(t, list[0]); len(fsys.Info().Notes) != 1 {
		t.Errorf("notes %q", fsys.Info().Notes)
	}
}

func TestADeviceThatIsGivenTwiceIsTakenOnce(t *testing.T) {
	list := devices(t, "raid1", 2)
	fsys := openDevices(t, list[0], list[1], list[0])
	if notes := fsys.Info().Notes; len(notes) != 1 || !strings.HasPrefix(notes[0], "c (device 1 ") || !strings.Contains(notes[0], "is left out: a (device 1 ") {
		t.Errorf("notes %q", notes)
	}
	cut := &device{ReaderAt: list[1], size: 100 << 20}
	fsys = openDevices(t, list[0], cut)
	if notes := fsys.Info().Notes; len(notes) != 1 || !strings.HasPrefix(notes[0], "b (device 2 ") || !strings.HasSuffix(notes[0], "is cut off: 104857600 of 134217728 bytes are there") {
		t.Errorf("notes %q", notes)
	}
}

// Whatever is damaged, what is read is right or an error: every byte but those
// of files without checksums is protected.
func TestDamageIsAnErrorOrRepaired(t *testing.T) {
	rng := oracle.Seed(t)
	n := 150
	switch {
	case testing.Short():
		n = 20
	case oracle.Long():
		n = 1500
	}
	for name, count := range map[string]int{"raid1": 2, "raid6": 4} {
		list := devices(t, name, count)
		want := contents(openDevices(t, list...))
		spots := make([][]int64, count)
		for i, d := range list {
			spots[i] = d.used(t)
		}
		var right, failed, refused int
		for m := range n {
			bad := make([]*device, count)
			for i, d := range list {
				bad[i] = &device{ReaderAt: d.ReaderAt, size: d.size}
			}
			for range 1 + rng.IntN(12) {
				i := rng.IntN(count)
				off := spots[i][rng.IntN(len(spots[i]))] + rng.Int64N(4096)
				bad[i].patches = append(bad[i].patches, patch{off, junk(rng)})
			}
			fsys, err := btrfs.OpenDevices(named(bad), nil)
			if err != nil {
				refused++
				if !errors.Is(err, fstree.ErrDamaged) && !errors.Is(err, fstree.ErrNotThis) && !errors.Is(err, fstree.ErrUnsupported) {
					t.Errorf("%s, mutant %d: %v", name, m, err)
				}
				continue
			}
			errors := 0
			for file, got := range contents(fsys) {
				if _, ok := got.(error); ok {
					errors++
				} else if got != want[file] && file != "var/log/unsummed" {
					t.Errorf("%s, mutant %d: %s is %.80v", name, m, file, got)
				}
			}
			if errors > 0 {
				failed++
			} else {
				right++
			}
		}
		t.Logf("%s: of %d mutants %d were read right, %d with errors, %d refused", name, n, right, failed, refused)
	}
}

// used is where a device has more than zeroes, by blocks of 4 KiB.
func (d *device) used(tb testing.TB) (spots []int64) {
	tb.Helper()
	buf := make([]byte, 1<<20)
	for off := int64(0); off < d.size; off += int64(len(buf)) {
		if n, err := d.ReadAt(buf, off); n < len(buf) {
			tb.Fatal(err)
		}
		for at := 0; at < len(buf); at += 4096 {
			if bytes.Count(buf[at:at+4096], []byte{0}) < 4096 {
				spots = append(spots, off+int64(at))
			}
		}
	}
	return spots
}

func junk(rng *rand.Rand) []byte {
	b := make([]byte, 1+rng.IntN(64))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// reflagged is a device with a feature bit more at an offset of its superblock.
func reflagged(t *testing.T, d *device, off, bit int) *device {
	t.Helper()
	sb := make([]byte, 4096)
	if _, err := d.ReadAt(sb, 64<<10); err != nil {
		t.Fatal(err)
	}
	sb[off+bit/8] |= 1 << (bit % 8)
	binary.LittleEndian.PutUint32(sb, crc32.Checksum(sb[32:], crc32.MakeTable(crc32.Castagnoli)))
	return &device{ReaderAt: d.ReaderAt, size: d.size, patches: []patch{{64 << 10, sb}}}
}

// The tree of block groups is for writing; the tree of stripes says where data
// are.
func TestFeaturesThatReadingNeedsAreNamed(t *testing.T) {
	d := devices(t, "raid1", 2)[0]
	if b, err := openDevices(t, reflagged(t, d, 180, 3)).ReadFile("etc/hostname"); err != nil || string(b) != "example\n" {
		t.Errorf("with a tree of block groups: %q, %v", b, err)
	}
	for bit, name := range map[int]string{12: "zoned", 13: "extent_tree_v2", 14: "raid_stripe_tree", 17: "feature bit 17"} {
		_, err := btrfs.OpenDevices(named([]*device{reflagged(t, d, 188, bit)}), nil)
		if !errors.Is(err, fstree.ErrUnsupported) || !strings.Contains(err.Error(), name) {
			t.Errorf("bit %d: %v", bit, err)
		}
	}
}
