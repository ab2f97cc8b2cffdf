package xfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/xfs"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// crashed is a filesystem that was copied while it was mounted, after changes
// of which the log knows and the rest of the disk does not.
func crashed(c fstreetest.Config, rounds int, options string) fstreetest.Config {
	if options != "" {
		c.Opts += "," + options
	}
	c.Crash = func(tb testing.TB, dir string) {
		for round := range rounds {
			upheaval(tb, dir, round)
		}
	}
	return c
}

func TestDirtyLogIsReplayedAsTheKernelDoes(t *testing.T) {
	small := fstreetest.Tree{Entries: 150, Extents: 60}
	many := fstreetest.Tree{Entries: 3000, Extents: 1000}
	fstreetest.Run(t, []fstreetest.Config{
		filled(crashed(config("xfs-dirty", 16, small, "-b", "size=1k"), 1, ""), ordinary),
		large(crashed(config("xfs-dirty-everything", 64, many), 3, "")),
		large(crashed(config("xfs-dirty-log-gone-round", 64, small, "-m", "reflink=0"), 60, "")),
		large(crashed(config("xfs-dirty-large-records", 64, many, "-b", "size=1k", "-l", "version=2,sunit=512"), 40, "logbsize=256k")),
		large(crashed(config("xfs-dirty-small-records", 64, many, "-n", "size=16k"), 40, "logbsize=16k")),
		large(crashed(config("xfs-dirty-sectors-of-4k", 128, many, "-s", "size=4k", "-i", "nrext64=1"), 40, "")),
		large(crashed(config("xfs-dirty-without-bigtime", 64, many, "-m", "bigtime=0,finobt=0,rmapbt=1", "-i", "sparse=0"), 40, "")),
		large(then(crashed(config("xfs-dirty-shut-down", 64, small), 10, ""), shutDown)),
		large(crashed(config("xfs-dirty-64k", 512, small, "-b", "size=64k", "-i", "size=2048"), 40, "")),
	}, open)
}

// then has something happen after a crash's changes, before the copy.
func then(c fstreetest.Config, last func(tb testing.TB, dir string)) fstreetest.Config {
	crash := c.Crash
	c.Crash = func(tb testing.TB, dir string) {
		crash(tb, dir)
		last(tb, dir)
	}
	return c
}

// shutDown ends all writing at once.
func shutDown(tb testing.TB, dir string) {
	oracle.Run(tb, "xfs_io", "-x", "-c", "shutdown", dir)
}

// upheaval changes a tree in all ways that a log records, and has the log
// written. The last change of each round is lost unless a later round comes.
func upheaval(tb testing.TB, dir string, round int) {
	tb.Helper()
	check := func(err error) {
		if err != nil {
			tb.Helper()
			tb.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(uint64(round), 1))
	top := filepath.Join(dir, fmt.Sprintf("round %d", round%7))
	check(os.RemoveAll(top))
	check(os.Mkdir(top, 0o755))
	in := func(format string, args ...any) string { return filepath.Join(top, fmt.Sprintf(format, args...)) }
	for i := range 40 + rng.IntN(60) {
		check(os.WriteFile(in("file %d", i), bytes.Repeat([]byte{byte(i)}, rng.IntN(9000)), 0o640))
	}
	for i := range 10 {
		check(os.Remove(in("file %d", i)))
		check(os.Rename(in("file %d", 10+i), in("renamed %s %d", strings.Repeat("r", i*10), i)))
		check(os.Symlink(strings.Repeat("s", 1+i*100), in("link %d", i)))
		check(unix.Setxattr(in("file %d", 20+i), "user.small", []byte{byte(round)}, 0))
		check(os.Truncate(in("file %d", 30+i), int64(rng.IntN(20000))))
	}
	for i := range 30 {
		check(unix.Setxattr(in("file 20"), fmt.Sprintf("user.%s%d", strings.Repeat("a", i*3), i), bytes.Repeat([]byte{1}, i*8), 0))
	}
	check(unix.Setxattr(in("file 21"), "user.remote", bytes.Repeat([]byte("remote"), 1500), 0))
	check(unix.Mknod(in("device"), unix.S_IFCHR|0o600, int(unix.Mkdev(511, 200000+uint32(round)))))
	check(os.Chown(in("file 25"), 1000+round, 2000))
	check(os.Chmod(in("file 25"), 0o4711))
	check(os.Link(in("file 26"), in("another name")))
	check(fragments(in("many extents"), 50+rng.IntN(100)))
	check(clone(in("many extents"), in("cloned")))
	check(os.MkdirAll(in("sub/sub/sub"), 0o700))
	open, err := os.Create(in("removed while open"))
	check(err)
	defer open.Close()
	check(os.Remove(open.Name()))
	check(flush(in("file 22")))
	check(os.WriteFile(in("perhaps lost"), []byte("not flushed"), 0o600))
}

// fragments makes a file of many extents, written to the disk.
func fragments(name string, n int) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for i := range n {
		if _, err := f.WriteAt([]byte("piece of a file in pieces"), int64(i)*20000); err != nil {
			return err
		}
	}
	return f.Sync()
}

// clone makes a file of another's blocks, where the filesystem can.
func clone(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.IoctlFileClone(int(f.Fd()), int(source.Fd()))
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	_, err = f.WriteAt([]byte("changed"), 40000)
	return err
}

// flush writes a file, and with it the log.
func flush(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func TestDirtyFilesystemSaysSo(t *testing.T) {
	for _, name := range []string{"xfs-dirty", "xfs-v4-dirty", "xfs-dirty-begun"} {
		image := fstreetest.Image(t, name)
		fsys, err := xfs.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Fatal(err)
		}
		info := fsys.Info()
		if !info.Dirty || len(info.Notes) != 1 || info.Notes[0] != "the log was replayed in memory" {
			t.Errorf("%s: dirty %v, notes %q", name, info.Dirty, info.Notes)
		}
	}
}
