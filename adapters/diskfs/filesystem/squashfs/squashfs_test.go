package squashfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/squashfs"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// mksquashfs makes an image of the files in a directory.
func mksquashfs(args ...string) func(tb testing.TB, image, source string) {
	return func(tb testing.TB, image, source string) {
		tb.Helper()
		if err := os.Remove(image); err != nil {
			tb.Fatal(err)
		}
		oracle.Run(tb, "mksquashfs", append([]string{source, image, "-quiet", "-no-progress"}, args...)...)
		if err := os.Truncate(image, size); err != nil {
			tb.Fatal(err)
		}
	}
}

const size = 4 << 20

func config(name, args string) fstreetest.Config {
	return fstreetest.Config{Name: "squashfs-" + name, Size: size, Mount: "squashfs", Make: mksquashfs(strings.Fields(args)...), Populated: true, Mounted: true}
}

var configs = []fstreetest.Config{
	config("gzip", ""),
	config("lzo", "-comp lzo"),
	config("lz4", "-comp lz4"),
	config("xz", "-comp xz"),
	config("zstd", "-comp zstd"),
	config("stored", "-noI -noD -noF -noX -noId"),
	config("4k", "-b 4096"),
	config("1m", "-b 1M"),
	config("no-fragments", "-no-fragments"),
	config("always-fragments", "-always-use-fragments -no-exports -no-duplicates"),
	config("no-xattrs", "-no-xattrs -no-exports"),
}

func open(r io.ReaderAt, size int64) (fs.FS, error) { return squashfs.Open(r, size) }

func TestTreeEqualsTheKernels(t *testing.T) { fstreetest.Run(t, configs, open) }

func TestDamagedImagesDoNoHarm(t *testing.T) {
	names := []string{"gzip", "stored"}
	if oracle.Long() {
		names = append(names, "lzo", "lz4", "xz", "zstd")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) { fstreetest.Mutate(t, "squashfs-"+name, open) })
	}
}

func committed(t testing.TB) *qedfile.Image {
	t.Helper()
	img, err := qedfile.Open("../../../../testdata/squashfs.qed", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = img.Close() })
	return img
}

func TestItIsAFilesystemByTheStandardLibrarysTest(t *testing.T) {
	img := committed(t)
	fsys, err := squashfs.Open(img, img.Size())
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(fsys, "etc/os-release", "usr/bin/hello", "home/user/hostname"); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNotReadIsRefusedByName(t *testing.T) {
	img := committed(t)
	good := make([]byte, img.Size())
	if _, err := img.ReadAt(good, 0); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		at   int
		b    string
		want error
	}{
		"version 3":           {28, "\x03\x00\x01\x00", fstree.ErrUnsupported},
		"big-endian":          {0, "sqsh", fstree.ErrUnsupported},
		"another compression": {20, "\x63\x00", fstree.ErrUnsupported},
		"another magic":       {0, "none", fstree.ErrNotThis},
		"a block of 3 bytes":  {12, "\x03\x00\x00\x00", fstree.ErrDamaged},
		"a table far away":    {64, "\x00\x00\x00\x00\x00\x00\x00\x7f", fstree.ErrDamaged},
		"more than there is":  {40, "\x00\x00\x00\x00\x00\x00\x00\x7f", fstree.ErrDamaged},
	} {
		bad := bytes.Clone(good)
		copy(bad[c.at:], c.b)
		if _, err := squashfs.Open(bytes.NewReader(bad), int64(len(bad))); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := squashfs.Open(bytes.NewReader(nil), 0); !errors.Is(err, fstree.ErrNotThis) {
		t.Errorf("nothing: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	images := [][]byte{fstreetest.Image(f, "squashfs-gzip"), fstreetest.Image(f, "squashfs-stored"), fstreetest.Image(f, "squashfs-zstd")}
	f.Add(uint8(0), uint32(12), []byte{0, 0, 0, 1})
	f.Add(uint8(1), uint32(96), []byte{0xff})
	f.Fuzz(func(t *testing.T, which uint8, off uint32, patch []byte) {
		image := bytes.Clone(images[int(which)%len(images)])
		copy(image[int(off)%len(image):], patch)
		fsys, err := squashfs.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			return
		}
		fstreetest.ReadAll(t, fsys, int64(len(image)))
	})
}

func ExampleOpen() {
	img, err := qedfile.Open("../../../../testdata/squashfs.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()

	fsys, err := squashfs.Open(img, img.Size())
	if err != nil {
		log.Fatal(err)
	}
	b, err := fs.ReadFile(fsys, "usr/bin/hello")
	fmt.Printf("%s %v\n", b, err)
	// Output:
	// #!/bin/sh
	// echo hello
	//  <nil>
}
