package udf_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func TestMain(m *testing.M) { os.Exit(fstreetest.Main(m)) }

func mkudffs(args ...string) []string {
	return append([]string{"mkudffs", "--utf8", "--label=Grüße", "--uuid=0123456789abcdef"}, args...)
}

// small is a tree for images that are committed.
var small = fstreetest.Tree{Entries: 20, Extents: 20, NoXattrs: true, UTF8: true}

// genisoimage makes a disc that is ISO 9660 as well.
func genisoimage(tb testing.TB, image, source string) {
	tb.Helper()
	oracle.Run(tb, "genisoimage", "-quiet", "-udf", "-R", "-V", "BRIDGE", "-o", image, source)
	if err := os.Truncate(image, 4<<20); err != nil {
		tb.Fatal(err)
	}
}

func fewFiles(tb testing.TB, dir string) {
	tb.Helper()
	for _, n := range []int{0, 1, 2047, 2048, 2049, 100000} {
		name := filepath.Join(dir, "sizes", strconv.Itoa(n))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(strings.Repeat("0123456789", n/10+1)[:n]), 0o640); err != nil {
			tb.Fatal(err)
		}
	}
}

// Linux tells holes of UDF by no lseek: SkipHoles. Of all names that are not UTF-8 it
// makes one.
func configs() []fstreetest.Config {
	all := fstreetest.Tree{NoXattrs: true, UTF8: true, Entries: 500}
	config := func(name string, tree fstreetest.Tree, large bool, args ...string) fstreetest.Config {
		return fstreetest.Config{Name: name, Size: 8 << 20, Mkfs: mkudffs(args...), Mount: "udf", Tree: tree, Large: large, Skip: fstreetest.SkipHoles}
	}
	return []fstreetest.Config{
		config("udf-201", small, false, "-b", "512", "-m", "hd", "-r", "2.01"),
		config("udf-102-long", small, false, "-b", "2048", "-m", "hd", "-r", "1.02", "--ad=long"),
		config("udf-sparable", small, false, "-b", "2048", "-m", "cdrw", "-r", "2.01", "--ad=short"),
		config("udf-201-4k", all, true, "-b", "4096", "-m", "hd", "-r", "2.01"),
		config("udf-1k-short", all, true, "-b", "1024", "-m", "hd", "-r", "2.00", "--ad=short"),
		config("udf-150-4096", all, true, "-b", "512", "-m", "hd", "-r", "1.50", "--strategy=4096"),
		config("udf-dvdram-noefe", all, true, "-b", "2048", "-m", "dvdram", "-r", "2.01", "--noefe"),
		{Name: "udf-bridge", Size: 4 << 20, Make: genisoimage, Populated: true, Mount: "udf", Fill: fewFiles, Skip: fstreetest.SkipHoles},
	}
}

func TestTreeEqualsTheKernels(t *testing.T) {
	fstreetest.RunInGuest(t, []string{"udf", "nls_utf8", "crc_itu_t", "cdrom"}, configs(), open)
}
