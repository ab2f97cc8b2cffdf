package erofs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/erofs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// mkfs makes an image of the files in DIR, but for names of 255 bytes, on
// which mkfs.erofs 1.5 fails, and for one directory: without chunks holes are
// stored as zeroes.
func mkfs(without string, args ...string) func(tb testing.TB, image, source string) {
	return func(tb testing.TB, image, source string) {
		tb.Helper()
		var long []string
		err := filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
			if len(d.Name()) == 255 || path == filepath.Join(source, without) && path != source {
				long = append(long, path)
			}
			return err
		})
		for _, path := range append(long, image) {
			err = errors.Join(err, os.RemoveAll(path))
		}
		if err != nil {
			tb.Fatal(err)
		}
		oracle.Run(tb, "mkfs.erofs", slices.Concat([]string{"--quiet"}, args, []string{image, source})...)
		if err := os.Truncate(image, size); err != nil {
			tb.Fatal(err)
		}
	}
}

const size = 4 << 20

var configs = append([]fstreetest.Config{
	{Name: "erofs-plain", Size: size, Mount: "erofs", Make: mkfs("holes"), Populated: true, Mounted: true},
	{Name: "erofs-chunks", Size: size, Mount: "erofs", Make: mkfs("", "--chunksize=4096"), Populated: true, Mounted: true},
	{Name: "erofs-lz4", Size: size, Mount: "erofs", Make: mkfs("holes", "-zlz4"), Populated: true, Mounted: true},
	{Name: "erofs-lz4hc-big", Size: size, Mount: "erofs", Make: mkfs("holes", "-zlz4hc,9", "-C65536"), Populated: true, Mounted: true},
	{Name: "erofs-lz4-tail", Size: size, Mount: "erofs", Make: mkfs("holes", "-zlz4hc", "-Eztailpacking"), Populated: true, Mounted: true, Large: true},
	{Name: "erofs-lz4-legacy", Size: size, Mount: "erofs", Make: mkfs("holes", "-zlz4", "-Elegacy-compress"), Populated: true, Mounted: true},
	{Name: "erofs-lz4-noinline", Size: size, Mount: "erofs", Make: mkfs("holes", "-zlz4", "-Enoinline_data"), Populated: true, Mounted: true, Large: true},
	{Name: "erofs-ignore-mtime", Size: size, Mount: "erofs", Make: mkfs("holes", "--ignore-mtime", "-T1600000000"), Populated: true, Mounted: true},
}, newerConfigs()...)

func open(r io.ReaderAt, size int64) (fs.FS, error) { return erofs.Open(r, size) }

func TestTreeEqualsTheKernels(t *testing.T) { fstreetest.Run(t, configs, open) }

func TestDamagedImagesDoNoHarm(t *testing.T) {
	for _, name := range []string{"erofs-chunks", "erofs-lz4", "erofs-lz4hc-big", "erofs-lz4-legacy", "erofs-devices", "erofs-lzma-big", "erofs-deflate-dedupe", "erofs-zstd", "erofs-zstd-fragments", "erofs-48bit-zstd", "erofs-boxed-zstd"} {
		t.Run(name, func(t *testing.T) { fstreetest.Mutate(t, name, open) })
	}
}

func TestItIsAFilesystemByTheStandardLibrarysTest(t *testing.T) {
	image := fstreetest.Image(t, "erofs-plain")
	fsys, err := erofs.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	sizes, err := fs.Sub(fsys, "sizes") // elsewhere links dangle, which TestFS opens
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(sizes, "0.bin", "200000.bin"); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNotReadIsRefusedByName(t *testing.T) {
	if _, err := erofs.Open(bytes.NewReader(make([]byte, 8192)), 8192); !errors.Is(err, fstree.ErrNotThis) {
		t.Errorf("zeroes: %v", err)
	}
	image := fstreetest.Image(t, "erofs-plain")
	image[1024+81] |= 0x2
	if _, err := erofs.Open(bytes.NewReader(image), int64(len(image))); !errors.Is(err, fstree.ErrUnsupported) || !strings.Contains(err.Error(), "0x200") {
		t.Errorf("an unknown feature: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	var images [][]byte
	for _, name := range []string{"plain", "chunks", "lz4", "lz4hc-big", "lz4-legacy", "devices", "lzma-1k", "deflate-dedupe", "zstd", "zstd-fragments", "48bit-zstd", "boxed-zstd"} {
		images = append(images, fstreetest.Image(f, "erofs-"+name))
	}
	f.Add(uint8(0), uint32(1024+12), []byte{16})
	f.Add(uint8(1), uint32(4096), []byte{0xff})
	f.Fuzz(func(t *testing.T, which uint8, off uint32, patch []byte) {
		image := bytes.Clone(images[int(which)%len(images)])
		copy(image[int(off)%len(image):], patch)
		fsys, err := erofs.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			return
		}
		fstreetest.ReadAll(t, fsys, 1<<40) // chunks may be shared: a file may be longer than all that is stored
	})
}

func ExampleOpen() {
	image, err := os.Open("testdata/hello.erofs")
	if err != nil {
		log.Fatal(err)
	}
	defer image.Close()
	info, err := image.Stat()
	if err != nil {
		log.Fatal(err)
	}
	fsys, err := erofs.Open(image, info.Size())
	if err != nil {
		log.Fatal(err)
	}
	b, err := fs.ReadFile(fsys, "hello.txt")
	fmt.Printf("%s %v\n", b, err)
	// Output: hello <nil>
}
