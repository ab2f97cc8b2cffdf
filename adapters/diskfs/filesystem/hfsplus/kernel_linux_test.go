package hfsplus_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

func TestMain(m *testing.M) { os.Exit(fstreetest.Main(m)) }

func write(image []byte) func(tb testing.TB, name, source string) {
	return func(tb testing.TB, name, _ string) {
		tb.Helper()
		if err := os.WriteFile(name, image, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
}

// fill makes a tree of what HFS Plus can have: there are no holes.
func fill(entries int) func(tb testing.TB, dir string) {
	return func(tb testing.TB, dir string) {
		tb.Helper()
		must := func(err error) {
			tb.Helper()
			if err != nil {
				tb.Fatal(err)
			}
		}
		path := func(elem ...string) string { return filepath.Join(append([]string{dir}, elem...)...) }
		must(os.Mkdir(path("sizes"), 0o755))
		for i, n := range []int{0, 1, 511, 512, 513, 4096, 4097, 65536, 200000} {
			name := path("sizes", fmt.Sprintf("%d.bin", n))
			b := make([]byte, n)
			for j := range b {
				b[j] = byte(j>>9*7 + j)
			}
			must(os.WriteFile(name, b, 0o640))
			must(os.Lchown(name, 70000+i, i))
			must(os.Chmod(name, 0o400+fs.FileMode(i)|fs.ModeSetuid*fs.FileMode(i&1)))
			at := time.Date(1970+13*i, 2, 3, 4, 5, 6, 0, time.UTC)
			if i > 5 {
				at = at.AddDate(-70, 0, 0)
			}
			must(os.Chtimes(name, at, at.Add(time.Hour)))
		}
		must(os.Mkdir(path("many"), 0o1777))
		for i := range entries {
			must(os.WriteFile(path("many", fmt.Sprintf("%d Name %s", i*7919%entries, strings.Repeat("x", i%100))), []byte{byte(i)}, 0o600))
		}
		for _, name := range []string{
			"caf\u00e9", "cafe\u0301 2", "\uAC00\uB098", "colon: slash", "a\nb", "...", " ", "CASE", "\u2400", "\u00df", "\u0131", "\u212b", "\u1e69", "q\u0307\u0323",
			strings.Repeat("n", 255), strings.Repeat("\u00e9", 120), "com.apple", "\u3042\u304c",
		} {
			must(os.WriteFile(path(name), []byte(name), 0o600))
		}
		must(os.MkdirAll(path("a", "b", "c"), 0o700))
		must(os.WriteFile(path("a", "b", "c", "file"), []byte("deep"), 0o600))
		for i := range 3 {
			must(os.Link(path("sizes", "513.bin"), path("a", fmt.Sprint("hard", i))))
		}
		must(os.Symlink("../b/c", path("a", "link")))
		must(os.Symlink(strings.Repeat("t", 1000), path("a", "long link")))
		must(unix.Mkfifo(path("fifo"), 0o620))
		must(unix.Mknod(path("char"), unix.S_IFCHR|0o666, int(unix.Mkdev(4000, 70000))))
		must(unix.Mknod(path("block"), unix.S_IFBLK|0o660, int(unix.Mkdev(8, 255))))
		fragment(tb, path("first"), path("second"))
	}
}

// fragment writes two files in turns, so that both have many extents.
func fragment(tb testing.TB, names ...string) {
	tb.Helper()
	for i := range 30 {
		for _, name := range names {
			f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				tb.Fatal(err)
			}
			if _, err = f.Write(bytes.Repeat([]byte{byte(i), name[0]}, 20<<10)); err == nil {
				err = f.Sync()
			}
			if err := errors.Join(err, f.Close()); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

// Linux tells holes of HFS Plus by no lseek, for there are none, and has no times of birth.
func configs() []fstreetest.Config {
	config := func(name string, l layout, entries int, large bool) fstreetest.Config {
		image := l.image()
		return fstreetest.Config{
			Name: name, Size: int64(len(image)), Make: write(image), Mount: "hfsplus", Fill: fill(entries), Large: large,
			Skip: fstreetest.SkipHoles | fstreetest.SkipBtime,
		}
	}
	wrapper := config("hfsplus-wrapped", layout{block: 4096, node: 4096, size: 12 << 20, catalogBlocks: 64}, 60, false)
	image := wrapped(layout{block: 4096, node: 4096, size: 12 << 20, catalogBlocks: 64}.image())
	wrapper.Size, wrapper.Make = int64(len(image)), write(image)
	return []fstreetest.Config{
		config("hfsplus-4k", layout{block: 4096, node: 8192, size: 12 << 20, catalogBlocks: 64}, 60, false),
		config("hfsplus-hfsx", layout{block: 512, node: 4096, size: 12 << 20, catalogBlocks: 512, sensitive: true}, 60, false),
		wrapper,
		config("hfsplus-1k", layout{block: 1024, node: 4096, size: 64 << 20, catalogBlocks: 64}, 2000, true),
		config("hfsplus-16k", layout{block: 16384, node: 16384, size: 160 << 20, catalogBlocks: 32}, 2000, true),
	}
}

func TestTreeEqualsTheKernels(t *testing.T) {
	fstreetest.RunInGuest(t, []string{"hfsplus", "nls_utf8"}, configs(), open)
}
