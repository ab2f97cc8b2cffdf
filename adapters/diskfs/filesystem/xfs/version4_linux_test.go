package xfs_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/xfs"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// version4 is a filesystem that mkfs.xfs fills by itself, since newer kernels
// do not mount version 4; see TestTreeEqualsAnotherKernels for one that does. A
// prototype has neither times nor attributes, and
// what is allocated is mkfs's choice.
func version4(name string, mib int64, entries int, options ...string) fstreetest.Config {
	c := config(name, mib, fstreetest.Tree{}, append([]string{"-m", "crc=0", "-p", "DIR.proto"}, options...)...)
	c.Populated = true
	c.Skip = fstreetest.SkipIno | fstreetest.SkipDirSize | fstreetest.SkipBlocks | fstreetest.SkipTimes
	c.Fill = func(tb testing.TB, dir string) {
		plainNames(tb, dir, entries)
		writeProto(tb, dir)
	}
	return c
}

func TestVersion4TreeEqualsItsSource(t *testing.T) {
	fstreetest.Run(t, []fstreetest.Config{
		version4("xfs-v4", 16, 60, "-n", "ftype=1", "-L", "version4"),
		version4("xfs-v4-no-types", 16, 60, "-n", "ftype=0", "-b", "size=512", "-d", "sectsize=512"),
		large(version4("xfs-v4-many", 512, 4000, "-n", "ftype=0")),
		large(version4("xfs-v4-many-512", 256, 6000, "-b", "size=512", "-n", "ftype=1")),
		large(version4("xfs-v4-wide-directories", 256, 5000, "-b", "size=512", "-n", "ftype=0,size=64k")),
		large(version4("xfs-v4-8k", 256, 1000, "-b", "size=8k", "-i", "attr=1,projid32bit=0", "-l", "lazy-count=0,version=1")),
		large(version4("xfs-v4-64k", 512, 500, "-b", "size=64k", "-i", "size=2048")),
		large(version4("xfs-v4-any-case", 64, 60, "-n", "version=ci")),
	}, open)
}

// plainNames makes a tree whose names a prototype can have.
func plainNames(tb testing.TB, dir string, entries int) {
	tb.Helper()
	check := func(err error) {
		if err != nil {
			tb.Helper()
			tb.Fatal(err)
		}
	}
	for i, d := range []string{"many", "sizes", "special", "modes", "deep/er/still/empty"} {
		check(os.MkdirAll(filepath.Join(dir, d), 0o755))
		check(os.Chmod(filepath.Join(dir, d), 0o700|fs.FileMode(i)))
	}
	for i := range entries {
		check(os.WriteFile(filepath.Join(dir, "many", fmt.Sprintf("%s%d", strings.Repeat("n", i%200), i)), bytes.Repeat([]byte{byte(i)}, i%5*100), 0o644))
	}
	for _, n := range []int{1, 511, 512, 513, 4096, 70000, 1 << 20} {
		check(os.WriteFile(filepath.Join(dir, "sizes", fmt.Sprint(n)), bytes.Repeat([]byte("12345678"), n/8+1)[:n], 0o600))
	}
	for _, n := range []int{1, 50, 156, 157, 400, 513, 1023} {
		check(os.Symlink(strings.Repeat("l", n), filepath.Join(dir, "special", fmt.Sprint("link", n))))
	}
	check(syscall.Mknod(filepath.Join(dir, "special/fifo"), syscall.S_IFIFO|0o640, 0))
	check(syscall.Mknod(filepath.Join(dir, "special/char"), syscall.S_IFCHR|0o600, 1<<8|3))
	check(syscall.Mknod(filepath.Join(dir, "special/block"), syscall.S_IFBLK|0o660, 8<<8|17))
	for _, mode := range []uint32{0, 0o4755, 0o2711, 0o6777} {
		name := filepath.Join(dir, "modes", fmt.Sprintf("%04o", mode))
		check(os.WriteFile(name, nil, 0o644))
		check(os.Chown(name, 70000+int(mode), 1000))
		check(syscall.Chmod(name, mode))
	}
}

// writeProto writes beside a directory the prototype of it (mkfs.xfs(8), -p).
func writeProto(tb testing.TB, dir string) {
	tb.Helper()
	var b strings.Builder
	b.WriteString("/\n0 0\n")
	protoDir(tb, &b, dir, "")
	if err := os.WriteFile(dir+".proto", []byte(b.String()), 0o644); err != nil {
		tb.Fatal(err)
	}
}

func protoDir(tb testing.TB, b *strings.Builder, dir, name string) {
	tb.Helper()
	fmt.Fprintf(b, "%s %s\n", name, protoMode(tb, dir, "d"))
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range entries {
		full := filepath.Join(dir, e.Name())
		var st syscall.Stat_t
		if err := syscall.Lstat(full, &st); err != nil {
			tb.Fatal(err)
		}
		switch e.Type() {
		case fs.ModeDir:
			protoDir(tb, b, full, e.Name())
		case fs.ModeSymlink:
			target, _ := os.Readlink(full)
			fmt.Fprintf(b, "%s %s %s\n", e.Name(), protoMode(tb, full, "l"), target)
		case fs.ModeNamedPipe:
			fmt.Fprintf(b, "%s %s\n", e.Name(), protoMode(tb, full, "p"))
		case fs.ModeDevice:
			fmt.Fprintf(b, "%s %s %d %d\n", e.Name(), protoMode(tb, full, "b"), st.Rdev>>8, st.Rdev&0xff)
		case fs.ModeDevice | fs.ModeCharDevice:
			fmt.Fprintf(b, "%s %s %d %d\n", e.Name(), protoMode(tb, full, "c"), st.Rdev>>8, st.Rdev&0xff)
		default:
			fmt.Fprintf(b, "%s %s %s\n", e.Name(), protoMode(tb, full, "-"), full)
		}
	}
	b.WriteString("$\n")
}

// protoMode is a file's type and mode as a prototype has them, and its owner.
func protoMode(tb testing.TB, name, kind string) string {
	tb.Helper()
	var st syscall.Stat_t
	if err := syscall.Lstat(name, &st); err != nil {
		tb.Fatal(err)
	}
	setuid, setgid := flag(st.Mode&0o4000 != 0, "u"), flag(st.Mode&0o2000 != 0, "g")
	return fmt.Sprintf("%s%s%s%03o %d %d", kind, setuid, setgid, st.Mode&0o777, st.Uid, st.Gid)
}

func flag(set bool, letter string) string {
	if set {
		return letter
	}
	return "-"
}

// TestVersion4InodesAsAnOldKernelWroteThem changes inodes by xfs_db, which is
// what still writes version 4: links counted in 16 bits,
// extended attributes (xfs_db crashes on more than fit the inode).
func TestVersion4InodesAsAnOldKernelWroteThem(t *testing.T) {
	db := oracle.Tool(t, "xfs_db")
	r, _ := fstreetest.Build(t, version4("xfs-v4", 64, 60, "-b", "size=1k"))
	image := r.(*os.File)
	edit := func(name string, commands ...string) {
		t.Helper()
		args := []string{"-x", "-c", fmt.Sprint("inode ", stat(t, image, name).Ino)}
		for _, c := range commands {
			args = append(args, "-c", c)
		}
		oracle.Run(t, db, append(args, image.Name())...)
	}
	edit("sizes/512", "write core.version 1", "write core.nlinkv1 777", "write core.mtime.nsec 123456789")
	edit("sizes/511", "attr_set -u short -v 5")
	edit("sizes/513", "attr_set -r trusted -v 40")

	st := stat(t, image, "sizes/512")
	if st.Nlink != 777 || st.Mtime.Nanosecond() != 123456789 {
		t.Errorf("%d links and time %v", st.Nlink, st.Mtime)
	}
	attrs := func(name string) map[string][]byte {
		t.Helper()
		st := stat(t, image, name)
		all, err := st.Xattrs()
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if got := attrs("sizes/511"); len(got) != 1 || len(got["user.short"]) != 5 {
		t.Errorf("in the inode: %v", got)
	}
	if got := attrs("sizes/513"); len(got) != 1 || len(got["trusted.trusted"]) != 40 {
		t.Errorf("in the inode: %v", got)
	}
}

// stat opens the filesystem anew, as tools change it in between.
func stat(tb testing.TB, image *os.File, name string) *fstree.Stat {
	tb.Helper()
	info, err := image.Stat()
	if err != nil {
		tb.Fatal(err)
	}
	fsys, err := xfs.Open(image, info.Size())
	if err != nil {
		tb.Fatal(err)
	}
	st, err := fs.Stat(fsys, name)
	if err != nil {
		tb.Fatal(err)
	}
	return st.Sys().(*fstree.Stat)
}
