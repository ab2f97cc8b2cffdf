package xfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/xfs"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func open(r io.ReaderAt, size int64) (fs.FS, error) { return xfs.Open(r, size) }

// tiny makes mkfs.xfs accept less than 300 MB, as its own tests do.
func tiny() []string { return []string{"TEST_DIR=/tmp", "TEST_DEV=/dev/null", "QA_CHECK_FS=true"} }

func config(name string, mib int64, tree fstreetest.Tree, options ...string) fstreetest.Config {
	return fstreetest.Config{
		Name: name, Size: mib << 20, Mount: "xfs", Opts: "nouuid", ReadOpts: "nouuid", Env: tiny(), Tree: tree,
		Mkfs: append([]string{"mkfs.xfs", "-f", "-q"}, options...),
	}
}

func large(c fstreetest.Config) fstreetest.Config {
	c.Large = true
	return c
}

func filled(c fstreetest.Config, fill func(tb testing.TB, dir string)) fstreetest.Config {
	c.Fill = fill
	return c
}

// reflinked makes a file that shares its blocks with itself, and so has more of
// them than the volume.
func reflinked(tb testing.TB, dir string) {
	name := filepath.Join(dir, "file")
	args := []string{"-f", "-c", "pwrite -q -S 0x5a 0 4m", "-c", "pwrite -q -S 0x11 1m 7k"}
	for to := 4; to < 44; to += 4 {
		args = append(args, "-c", fmt.Sprintf("reflink -q %s 0 %dm 4m", name, to))
	}
	oracle.Run(tb, "xfs_io", append(args, name)...)
}

func TestTreeEqualsTheKernels(t *testing.T) {
	small := fstreetest.Tree{Entries: 150, Extents: 60}
	everything := fstreetest.Tree{}
	some := fstreetest.Tree{Entries: 5000, Extents: 2000}
	many := fstreetest.Tree{Entries: 20000, Extents: 5000, Huge: true}
	fstreetest.Run(t, []fstreetest.Config{
		config("xfs-v5", 16, small, "-L", "qedfs"),
		filled(config("xfs-ordinary", 16, small, "-b", "size=1k"), ordinary),
		large(config("xfs-1k", 16, everything, "-b", "size=1k")),
		large(config("xfs-many", 128, many)),
		large(config("xfs-1k-many", 128, some, "-b", "size=1k")),
		large(config("xfs-1k-nrext64", 128, some, "-b", "size=1k", "-i", "nrext64=1")),
		large(config("xfs-2k-wide-directories", 128, some, "-b", "size=2k", "-n", "size=32k")),
		large(config("xfs-sectors-of-4k", 64, everything, "-s", "size=4k")),
		large(config("xfs-8k", 128, everything, "-b", "size=8k")),
		large(config("xfs-16k", 256, some, "-b", "size=16k", "-n", "size=64k")),
		large(config("xfs-32k", 256, everything, "-b", "size=32k")),
		large(config("xfs-64k", 512, everything, "-b", "size=64k")),
		large(config("xfs-inodes-of-1k", 64, everything, "-i", "size=1024")),
		large(config("xfs-inodes-of-2k", 64, everything, "-i", "size=2048")),
		large(config("xfs-without-bigtime", 64, everything, "-m", "bigtime=0,inobtcount=0,finobt=0,reflink=0", "-i", "sparse=0")),
		large(config("xfs-rmapbt", 64, everything, "-m", "rmapbt=1")),
		filled(large(config("xfs-reflinked", 32, small)), reflinked),
		large(config("xfs-many-groups", 128, everything, "-d", "agcount=7")),
	}, open)
}

func TestTreeIsAFilesystemByTheStandardLibrarysTest(t *testing.T) {
	image := fstreetest.Image(t, "xfs-ordinary")
	fsys, err := xfs.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(fsys, "etc/passwd", "etc/link", "many/file 99"); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedImagesDoNoHarm(t *testing.T) {
	for _, name := range []string{"xfs-v5", "xfs-ordinary", "xfs-v4", "xfs-dirty", "xfs-v4-dirty", "xfs-dirty-begun"} {
		t.Run(name, func(t *testing.T) { fstreetest.Mutate(t, name, open) })
	}
}

// ordinary is a tree with nothing in it that the standard library's test of
// filesystems refuses, as it does names with a backslash.
func ordinary(tb testing.TB, dir string) {
	tb.Helper()
	many := filepath.Join(dir, "many")
	err := errors.Join(
		os.MkdirAll(filepath.Join(dir, "etc/init.d/empty"), 0o755),
		os.Mkdir(many, 0o2775),
		os.WriteFile(filepath.Join(dir, "etc/passwd"), []byte("root:x:0:0::/:\n"), 0o644),
		os.WriteFile(filepath.Join(dir, "large"), bytes.Repeat([]byte("0123456789abcdef"), 20000), 0o600),
		os.Symlink("passwd", filepath.Join(dir, "etc/link")),
		os.Truncate(filepath.Join(dir, "large"), 500001),
	)
	for i := range 100 {
		err = errors.Join(err, os.WriteFile(filepath.Join(many, fmt.Sprintf("file %d", i)), nil, 0o644))
	}
	if err != nil {
		tb.Fatal(err)
	}
}
