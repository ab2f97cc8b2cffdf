package xfs_test

import (
	"bytes"
	"io"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/xfs"
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

func TestTreeEqualsTheKernels(t *testing.T) {
	small := fstreetest.Tree{Entries: 150, Extents: 60}
	everything, many := fstreetest.Tree{}, fstreetest.Tree{Entries: 20000, Extents: 2000, Huge: true}
	fstreetest.Run(t, []fstreetest.Config{
		config("xfs-v5", 16, small, "-L", "qedfs"),
		large(config("xfs-1k", 16, everything, "-b", "size=1k")),
		large(config("xfs-many", 128, many)),
		large(config("xfs-1k-many", 128, many, "-b", "size=1k")),
		large(config("xfs-1k-nrext64", 128, many, "-b", "size=1k", "-i", "nrext64=1")),
		large(config("xfs-2k-wide-directories", 128, many, "-b", "size=2k", "-n", "size=32k")),
		large(config("xfs-sectors-of-4k", 64, many, "-s", "size=4k")),
		large(config("xfs-8k", 128, many, "-b", "size=8k")),
		large(config("xfs-16k", 256, many, "-b", "size=16k", "-n", "size=64k")),
		large(config("xfs-32k", 256, everything, "-b", "size=32k")),
		large(config("xfs-64k", 512, everything, "-b", "size=64k")),
		large(config("xfs-inodes-of-1k", 64, everything, "-i", "size=1024")),
		large(config("xfs-inodes-of-2k", 64, everything, "-i", "size=2048")),
		large(config("xfs-without-bigtime", 64, everything, "-m", "bigtime=0,inobtcount=0,finobt=0,reflink=0", "-i", "sparse=0")),
		large(config("xfs-rmapbt", 64, everything, "-m", "rmapbt=1")),
		large(config("xfs-many-groups", 128, everything, "-d", "agcount=7")),
	}, open)
}

func TestTreeIsAFilesystemByTheStandardLibrarysTest(t *testing.T) {
	image := fstreetest.Image(t, "xfs-v5")
	fsys, err := xfs.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(fsys, "links/target", "holes/unwritten"); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedImagesDoNoHarm(t *testing.T) { fstreetest.Mutate(t, "xfs-v5", open) }
