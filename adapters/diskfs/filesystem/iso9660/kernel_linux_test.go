package iso9660_test

import (
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

func TestMain(m *testing.M) { os.Exit(fstreetest.Main(m)) }

// mkisofs makes an image of the files in a directory.
func mkisofs(args ...string) func(tb testing.TB, image, source string) {
	return func(tb testing.TB, image, source string) {
		tb.Helper()
		oracle.Run(tb, "xorriso", slices.Concat([]string{"-as", "mkisofs", "-quiet", "-V", "TEST"}, args, []string{source, "-o", image})...)
		if err := os.Truncate(image, 4<<20); err != nil {
			tb.Fatal(err)
		}
	}
}

// xorriso does the same in xorriso's own language, which writes to empty media
// alone.
func xorriso(commands ...string) func(tb testing.TB, image, source string) {
	return func(tb testing.TB, image, source string) {
		tb.Helper()
		oracle.Run(tb, "xorriso", append([]string{"-report_about", "WARNING", "-outdev", "stdio:" + image + ".new", "-map", source, "/"}, commands...)...)
		disc, err := os.ReadFile(image + ".new")
		if err != nil {
			tb.Fatal(err)
		}
		f, err := os.OpenFile(image, os.O_WRONLY, 0)
		if err != nil {
			tb.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(disc, 0); err != nil {
			tb.Fatal(err)
		}
	}
}

var configs = []fstreetest.Config{
	{Name: "iso9660-rock-ridge", Size: 4 << 20, Mount: "iso9660", Make: mkisofs("-R"), Populated: true, Fill: everything},
	{Name: "iso9660-rock-ridge-and-joliet", Size: 4 << 20, Mount: "iso9660", Make: mkisofs("-R", "-J"), Populated: true, Fill: fewNames},
	{Name: "iso9660-joliet", Size: 4 << 20, Mount: "iso9660", ReadOpts: "iocharset=utf8", Make: mkisofs("--norock", "-J"), Populated: true, Fill: fewNames},
	{Name: "iso9660-plain", Size: 4 << 20, Mount: "iso9660", Make: mkisofs("--norock"), Populated: true, Fill: fewNames},
	{Name: "iso9660-relocated", Size: 4 << 20, Mount: "iso9660", Make: xorriso("-compliance", "deep_paths_off", "-rr_reloc_dir", "rr_moved"), Populated: true, Fill: deep},
	{Name: "iso9660-zisofs", Size: 4 << 20, Mount: "iso9660", Make: xorriso("-set_filter_r", "--zisofs", "/", "--"), Populated: true, Fill: compressible},
}

// everything is what xorriso stores, and Linux 6.1 shows (no times after 2038); it fails on parts of the tree that the
// other filesystems are filled with.
func everything(tb testing.TB, dir string) {
	tb.Helper()
	for _, n := range []int{0, 1, 2047, 2048, 2049, 100000} {
		put(tb, filepath.Join(dir, "sizes", strconv.Itoa(n)), strings.Repeat("0123456789", n/10+1)[:n])
	}
	for i := range 200 {
		put(tb, filepath.Join(dir, "many", "file with a longer name "+strconv.Itoa(i)), strconv.Itoa(i))
	}
	for _, name := range []string{".hidden", "dot.", "..x", "UPPER", "lower", "with;1", "semi;colon", "sp ace", " lead", "trail ", "tab\tx", "Grüße", "日本語", "b\xffad", strings.Repeat("n", 100), strings.Repeat("m", 200), strings.Repeat("l", 250)} {
		put(tb, filepath.Join(dir, "names", name), name)
	}
	try := func(err error) {
		if err != nil {
			tb.Helper()
			tb.Fatal(err)
		}
	}
	try(os.Mkdir(filepath.Join(dir, "links"), 0o755))
	for i, target := range []string{"a", "../sizes/1", "/sizes/1", "/", "..", "../..", "dangling", "./x/../y", "double//slash", strings.Repeat("t", 200), strings.Repeat("long/", 40), strings.Repeat("longer/../", 60)} {
		try(os.Symlink(target, filepath.Join(dir, "links", strconv.Itoa(i))))
	}
	try(os.Link(filepath.Join(dir, "sizes/1"), filepath.Join(dir, "links/hard")))
	try(os.Mkdir(filepath.Join(dir, "special"), 0o1777))
	for name, mode := range map[string]uint32{"fifo": unix.S_IFIFO, "socket": unix.S_IFSOCK, "null": unix.S_IFCHR, "sda1": unix.S_IFBLK} {
		try(unix.Mknod(filepath.Join(dir, "special", name), mode|0o640, int(unix.Mkdev(8, 1))))
	}
	put(tb, filepath.Join(dir, "modes/setuid"), "x")
	try(os.Chmod(filepath.Join(dir, "modes/setuid"), fs.ModeSetuid|fs.ModeSetgid|0o711))
	try(os.Chown(filepath.Join(dir, "modes/setuid"), 70000, 80000))
	put(tb, filepath.Join(dir, "modes/none"), "x")
	try(os.Chmod(filepath.Join(dir, "modes/none"), 0))
	for i, t := range []time.Time{time.Date(1985, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2037, 12, 31, 23, 59, 59, 0, time.UTC)} {
		name := filepath.Join(dir, "times", strconv.Itoa(i))
		put(tb, name, "x")
		try(os.Chtimes(name, t, t))
	}
}

func fewNames(tb testing.TB, dir string) {
	tb.Helper()
	for _, name := range []string{"lower.txt", "UPPER.TXT", "Grüße aus Köln.txt", "日本語.txt", "no extension", "a name of more than thirty-one characters.html", "dot.", "sub/inner.txt"} {
		put(tb, filepath.Join(dir, name), name)
	}
}

func compressible(tb testing.TB, dir string) {
	tb.Helper()
	for _, n := range []int{0, 1, 10, 32767, 32768, 32769, 200000} {
		put(tb, filepath.Join(dir, strconv.Itoa(n)), strings.Repeat("0123456789", n/10+1)[:n])
	}
	put(tb, filepath.Join(dir, "zeroes"), strings.Repeat("\x00", 100000)+"end")
}

func deep(tb testing.TB, dir string) {
	tb.Helper()
	for n := range 14 {
		put(tb, filepath.Join(dir, strings.Repeat("level/", n), "file.txt"), strings.Repeat("x", n))
	}
	put(tb, filepath.Join(dir, "other/1/2/3/4/5/6/7/8/9/10/file"), "other")
}

func put(tb testing.TB, name, content string) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		tb.Fatal(err)
	}
}

func TestTreeEqualsTheKernels(t *testing.T) {
	fstreetest.RunInGuest(t, []string{"isofs", "nls_utf8"}, configs, open)
}
