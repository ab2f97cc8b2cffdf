package ufs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func TestMain(m *testing.M) { os.Exit(fstreetest.Main(m)) }

// makefs fills a volume, without what is long and nearly all holes: it stores them.
// It has the superblock of UFS2 where that of UFS1 is, and Linux looks for it in its
// usual place alone, in which makefs has inodes or a bitmap. Nobody uses these here: they
// are replaced by a copy.
func makefs(endian string, size int64, options string) func(tb testing.TB, image, source string) {
	return func(tb testing.TB, image, source string) {
		tb.Helper()
		err := filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if err == nil && info.Size() > 4<<20 {
				err = os.Remove(path)
			}
			return err
		})
		if err != nil {
			tb.Fatal(err)
		}
		oracle.Run(tb, "makefs", "-t", "ffs", "-B", endian, "-s", fmt.Sprint(size), "-f", "200", "-o", options, image, source)
		if !strings.HasPrefix(options, "version=2") {
			return
		}
		f, err := os.OpenFile(image, os.O_RDWR, 0)
		if err != nil {
			tb.Fatal(err)
		}
		defer f.Close()
		b := make([]byte, 1536)
		if _, err := f.ReadAt(b, 8<<10); err != nil {
			tb.Fatal(err)
		}
		if _, err := f.WriteAt(b, 64<<10); err != nil {
			tb.Fatal(err)
		}
	}
}

// few is a tree of less than sixty files: the rest of their group of inodes is where the
// copy goes.
func few(tb testing.TB, dir string) {
	tb.Helper()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	sub := filepath.Join(dir, "sizes")
	must(os.Mkdir(sub, 0o755))
	for i, n := range []int{0, 1, 511, 512, 513, 4096, 4097, 49152, 49153, 60000, 200000, 2200000} {
		name := filepath.Join(sub, fmt.Sprintf("%d.bin", n))
		b := make([]byte, n)
		for j := range b {
			b[j] = byte(j>>9*7 + j)
		}
		must(os.WriteFile(name, b, 0o640))
		must(os.Chmod(name, 0o400+fs.FileMode(i)|fs.ModeSetuid*fs.FileMode(i&1)))
		must(os.Lchown(name, i, 70000+i))
		at := time.Date(1900+20*i, 2, 3, 4, 5, 6, 789, time.UTC)
		must(os.Chtimes(name, at, at.Add(time.Hour)))
	}
	for i := range 10 {
		must(os.WriteFile(filepath.Join(dir, strings.Repeat(string(rune('a'+i)), 255-i)), []byte{byte(i)}, 0o600))
	}
	for _, name := range []string{"caf\xe9", "日本", "a\nb", "...", " "} {
		must(os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600))
	}
	for _, n := range []int{1, 59, 60, 61, 119, 120, 121, 500, 1023} {
		must(os.Symlink(strings.Repeat("x", n), filepath.Join(dir, fmt.Sprint("link", n))))
	}
	must(os.Link(filepath.Join(sub, "1.bin"), filepath.Join(dir, "hard")))
	must(unix.Mkfifo(filepath.Join(dir, "fifo"), 0o620))
	must(unix.Mknod(filepath.Join(dir, "char"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	must(unix.Mknod(filepath.Join(dir, "block"), unix.S_IFBLK|0o660, int(unix.Mkdev(8, 255))))
	deep := filepath.Join(dir, "a", "b", "c")
	must(os.MkdirAll(deep, 0o1777))
	must(os.WriteFile(filepath.Join(deep, "file"), []byte("deep"), 0o600))
}

// Linux tells holes of UFS by no lseek, has no times of birth, and leaves the parts of
// seconds of UFS1 out.
func configs() []fstreetest.Config {
	small := fstreetest.Tree{Entries: 40, Extents: 20, NoXattrs: true}
	all := fstreetest.Tree{Entries: 500, NoXattrs: true}
	config := func(name, endian, options string, tree fstreetest.Tree, large bool) fstreetest.Config {
		c := fstreetest.Config{
			Name: name, Size: 8 << 20, Populated: true, Mount: "ufs", Opts: "ufstype=44bsd",
			Tree: tree, Large: large, Skip: fstreetest.SkipHoles | fstreetest.SkipBtime,
		}
		if large {
			c.Size = 96 << 20
		}
		if strings.HasPrefix(options, "version=2") {
			c.Fill, c.Opts = few, "ufstype=ufs2"
		} else {
			c.Skip |= fstreetest.SkipTimes
		}
		c.Make, c.Adjust = makefs(endian, c.Size, options), devices
		return c
	}
	return []fstreetest.Config{
		config("ufs1-le", "le", "version=1,bsize=4096,fsize=512", small, false),
		config("ufs1-be", "be", "version=1,bsize=8192,fsize=1024", small, false),
		config("ufs2-le", "le", "version=2,bsize=4096,fsize=512", small, false),
		config("ufs2-be", "be", "version=2,bsize=16384,fsize=2048", small, false),
		config("ufs2-32k", "le", "version=2,bsize=32768,fsize=4096", all, true),
		config("ufs1-32k", "le", "version=1,bsize=32768,fsize=4096", all, true),
		config("ufs2-whole-blocks", "be", "version=2,bsize=4096,fsize=4096", all, true),
		config("ufs1-16k", "be", "version=1,bsize=16384,fsize=2048", all, true),
	}
}

func TestTreeEqualsTheKernels(t *testing.T) {
	fstreetest.RunInGuest(t, []string{"ufs"}, configs(), open)
}
