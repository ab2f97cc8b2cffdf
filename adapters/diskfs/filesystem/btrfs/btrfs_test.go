package btrfs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/btrfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func open(r io.ReaderAt, size int64) (fs.FS, error) {
	fsys, err := btrfs.Open(r, size)
	if err != nil {
		return nil, err
	}
	return fsys, nil
}

func mkfs(args ...string) []string { return append([]string{"mkfs.btrfs", "-q", "-f"}, args...) }

const mixed = 20 << 20 // a small filesystem has to keep data and metadata together

var configs = []fstreetest.Config{
	{Name: "btrfs", Size: 120 << 20, Mkfs: mkfs("-L", "a label"), Mount: "btrfs"},
	{Name: "btrfs-mixed", Size: mixed, Mkfs: mkfs("-M", "-n", "4096"), Mount: "btrfs"},
	{Name: "btrfs-holes", Size: mixed, Mkfs: mkfs("-M", "-n", "4096", "-O", "^no-holes"), Mount: "btrfs"},
	{Name: "btrfs-xxhash", Size: mixed, Mkfs: mkfs("-M", "-n", "4096", "--csum", "xxhash"), Mount: "btrfs", Tree: fstreetest.Tree{Plain: true}},
	{Name: "btrfs-sha256", Size: mixed, Mkfs: mkfs("-M", "-n", "4096", "--csum", "sha256"), Mount: "btrfs", Tree: fstreetest.Tree{Plain: true}},
	{Name: "btrfs-blake2", Size: mixed, Mkfs: mkfs("-M", "-n", "4096", "--csum", "blake2"), Mount: "btrfs", Tree: fstreetest.Tree{Plain: true}},
	{Name: "btrfs-zlib", Size: mixed, Mkfs: mkfs("-M", "-n", "4096"), Mount: "btrfs", Opts: "compress-force=zlib", Fill: compressible},
	{Name: "btrfs-lzo", Size: mixed, Mkfs: mkfs("-M", "-n", "4096"), Mount: "btrfs", Opts: "compress-force=lzo", Fill: compressible},
	{Name: "btrfs-zstd", Size: mixed, Mkfs: mkfs("-M", "-n", "4096"), Mount: "btrfs", Opts: "compress-force=zstd", Fill: compressible},
	{Name: "btrfs-subvolumes", Size: mixed, Mkfs: mkfs("-M", "-n", "4096"), Mount: "btrfs", Fill: subvolumes, SkipAt: stubTimes},
	{Name: "btrfs-large", Size: 600 << 20, Mkfs: mkfs(), Mount: "btrfs", Tree: fstreetest.Tree{Entries: 20000, Extents: 2000, Huge: true}, Large: true},
	{Name: "btrfs-64k-nodes", Size: 300 << 20, Mkfs: mkfs("-n", "65536"), Mount: "btrfs", Large: true},
}

func TestTreeEqualsTheKernels(t *testing.T) { fstreetest.Run(t, configs, open) }

// compressible fills files so that extents of every kind appear: inline and
// not, packed well and badly, read in the middle, overwritten in part.
func compressible(tb testing.TB, dir string) {
	rng := oracle.Seed(tb)
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	for _, n := range []int{1, 100, 2000, 4095, 4096, 4097, 100000, 131072, 131073, 700001} {
		write(fmt.Sprintf("text %d", n), bytes.Repeat([]byte("the same again and again, "), n/26+1)[:n])
		zeroes := make([]byte, n)
		write(fmt.Sprintf("zeroes %d", n), zeroes)
		for i := range n / 10 {
			zeroes[i] = byte(rng.Uint32())
		}
		write(fmt.Sprintf("mixed %d", n), zeroes)
	}
	oracle.Run(tb, "sync", "-f", dir)
	f, err := os.OpenFile(filepath.Join(dir, "text 700001"), os.O_WRONLY, 0)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	for _, off := range []int64{1000, 200000, 262144, 400001} {
		if _, err := f.WriteAt(bytes.Repeat([]byte("overwritten "), 700), off); err != nil {
			tb.Fatal(err)
		}
	}
	if err := f.Truncate(650001); err != nil {
		tb.Fatal(err)
	}
	oracle.Run(tb, "cp", "--reflink=always", filepath.Join(dir, "mixed 131073"), filepath.Join(dir, "reflink"))
}

// stubTimes leaves out what the kernel sets to the present of a subvolume in a
// snapshot, which has no times: all but the time of access.
func stubTimes(r *fstreetest.Record) fstreetest.Skip {
	if r.Ino != 2 {
		return 0
	}
	return fstreetest.SkipMtime | fstreetest.SkipCtime | fstreetest.SkipBtime
}

// subvolumes makes nested subvolumes, a snapshot of one with another inside,
// a snapshot with a snapshot inside, and a default subvolume, which is what a
// mount shows.
func subvolumes(tb testing.TB, dir string) {
	run := func(args ...string) { oracle.Run(tb, "btrfs", args...) }
	write := func(name string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o640); err != nil {
			tb.Fatal(err)
		}
	}
	run("subvolume", "create", dir+"/not shown")
	write("not shown/file")
	run("subvolume", "create", dir+"/root")
	write("root/file")
	run("subvolume", "create", dir+"/root/nested")
	write("root/nested/inside")
	run("subvolume", "create", dir+"/root/nested/deeper")
	write("root/nested/deeper/inside")
	run("subvolume", "snapshot", "-r", dir+"/root", dir+"/root/snapshot")
	write("root/after the snapshot")
	run("subvolume", "snapshot", dir+"/root", dir+"/root/second snapshot")
	run("subvolume", "set-default", dir+"/root")
}

func TestTreePassesTheStandardLibrarysTest(t *testing.T) {
	image := fstreetest.Image(t, "btrfs-subvolumes")
	fsys, err := open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(fsys, "nested/deeper/inside"); err != nil {
		t.Error(err)
	}
}

func TestDamagedImagesDoNoHarm(t *testing.T) {
	for _, name := range []string{"btrfs-mixed", "btrfs-log"} {
		t.Run(name, func(t *testing.T) { fstreetest.Mutate(t, name, open) })
	}
}

// The checksum of one copy of each node is spoilt; the other is used.
func TestTheSecondCopyOfMetadataIsReadWhereTheFirstIsDamaged(t *testing.T) {
	c := fstreetest.Config{Size: 120 << 20, Mkfs: mkfs("-m", "dup"), Mount: "btrfs", Tree: fstreetest.Tree{Plain: true}}
	r, records := fstreetest.Build(t, c)
	image := make([]byte, c.Size)
	if _, err := r.ReadAt(image, 0); err != nil {
		t.Fatal(err)
	}
	spoilt := map[uint64]bool{}
	fsid := image[64<<10+32:][:16]
	for off := 1 << 20; off < len(image); off += 4096 {
		node := image[off:]
		at := binary.LittleEndian.Uint64(node[48:])
		if bytes.Equal(node[32:48], fsid) && !spoilt[at] {
			spoilt[at] = true
			node[0]++
		}
	}
	if len(spoilt) < 10 {
		t.Fatalf("only %d nodes were found", len(spoilt))
	}
	fsys, err := open(bytes.NewReader(image), c.Size)
	if err != nil {
		t.Fatal(err)
	}
	fstreetest.Compare(t, fsys, records, 0)
}

// The kernel does not mount such an image.
func TestALogTreeThatIsDamagedIsLeftOut(t *testing.T) {
	image := fstreetest.Image(t, "btrfs-log")
	fsid := image[64<<10+32:][:16]
	spoilt := 0
	logRoot := binary.LittleEndian.Uint64(image[64<<10+96:])
	for off := 1 << 20; off < len(image); off += 4096 {
		if node := image[off:]; bytes.Equal(node[32:48], fsid) && binary.LittleEndian.Uint64(node[48:]) == logRoot {
			node[0]++
			spoilt++
		}
	}
	if spoilt == 0 {
		t.Fatal("no log tree was found")
	}
	fsys, err := btrfs.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	if info := fsys.Info(); !info.Dirty || len(info.Notes) != 1 || !strings.Contains(info.Notes[0], "left out") {
		t.Errorf("info is %+v", info)
	}
	if _, err := fsys.Stat("sizes/4096.bin"); err != nil {
		t.Errorf("what was committed: %v", err)
	}
	if _, err := fsys.Stat("new/large"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was synced: %v", err)
	}
}
