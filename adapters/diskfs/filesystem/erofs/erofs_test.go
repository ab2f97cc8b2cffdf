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
func mkfs(args, without string) []string {
	return []string{"sh", "-c", `rm -rf "$0" DIR/` + without + ` && LC_ALL=C find DIR -regextype posix-extended -regex '.*/[^/]{255}' -delete && mkfs.erofs --quiet ` + args + ` "$0" DIR >&2 && truncate -s 4M "$0"`}
}

var configs = []fstreetest.Config{
	{Name: "erofs-plain", Size: 4 << 20, Mount: "erofs", Mkfs: mkfs("", "holes"), Populated: true, Mounted: true},
	{Name: "erofs-chunks", Size: 4 << 20, Mount: "erofs", Mkfs: mkfs("--chunksize=4096", "none"), Populated: true, Mounted: true},
	{Name: "erofs-ignore-mtime", Size: 4 << 20, Mount: "erofs", Mkfs: mkfs("--ignore-mtime -T1600000000", "holes"), Populated: true, Mounted: true},
}

func open(r io.ReaderAt, size int64) (fs.FS, error) { return erofs.Open(r, size) }

func TestTreeEqualsTheKernels(t *testing.T) { fstreetest.Run(t, configs, open) }

func TestDamagedImagesDoNoHarm(t *testing.T) { fstreetest.Mutate(t, "erofs-chunks", open) }

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
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), bytes.Repeat([]byte("compressible "), 10000), 0o600); err != nil {
		t.Fatal(err)
	}
	img := filepath.Join(t.TempDir(), "img")
	oracle.Run(t, "mkfs.erofs", "--quiet", "-zlz4", img, dir)
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := erofs.Open(bytes.NewReader(b), int64(len(b))); !errors.Is(err, fstree.ErrUnsupported) {
		t.Errorf("lz4: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	images := [][]byte{fstreetest.Image(f, "erofs-plain"), fstreetest.Image(f, "erofs-chunks")}
	f.Add(uint8(0), uint32(1024+12), []byte{16})
	f.Add(uint8(1), uint32(4096), []byte{0xff})
	f.Fuzz(func(t *testing.T, which uint8, off uint32, patch []byte) {
		image := bytes.Clone(images[int(which)%len(images)])
		copy(image[int(off)%len(image):], patch)
		fsys, err := erofs.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			return
		}
		fstreetest.ReadAll(t, fsys, int64(len(image)))
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
