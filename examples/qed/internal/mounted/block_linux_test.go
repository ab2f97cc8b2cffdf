//go:build !386 && !arm && !mips && !mipsle

package mounted_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/examples/qed/internal/mounted"
	"github.com/qedfs/qedfs/qedfile"
)

const gpt = "../../../../testdata/gpt.qed"

// mountDisks mounts an image as a file "disk".
func mountDisks(t *testing.T, image string) (*qedfile.Image, string) {
	t.Helper()
	img, err := qedfile.Open(image, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	dir := mountWith(t, &mounted.Options{
		Disks: []mounted.DiskFile{{Name: "disk", Disk: img}, {Name: "no map", Disk: struct{ qedfile.Disk }{img}}}, Source: "test",
		Problem: func(path string, err error) { t.Errorf("%s: %v", path, err) },
	})
	return img, dir
}

func TestADiskIsAFileWithHoles(t *testing.T) {
	img, dir := mountDisks(t, gpt)
	want := make([]byte, img.Size())
	if _, err := img.ReadAt(want, 0); err != nil {
		t.Fatal(err)
	}
	var data int64
	var runs []string
	for e, err := range img.Extents(0, img.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == qedfile.Data {
			data += e.Length
			runs = append(runs, fmt.Sprintf("%d-%d", e.Start, e.Start+e.Length))
		}
	}
	for name, blocks := range map[string]int64{"disk": data / 512, "no map": img.Size() / 512} {
		path := filepath.Join(dir, name)
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the bytes differ, %v", name, err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if st := info.Sys().(*syscall.Stat_t); st.Blocks != blocks || st.Size != img.Size() || st.Mode != syscall.S_IFREG|0o444 {
			t.Errorf("%s: %d blocks, %d bytes, mode %o", name, st.Blocks, st.Size, st.Mode)
		}
	}
	f, err := os.Open(filepath.Join(dir, "disk"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var got []string
	for off := int64(0); ; {
		start, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if off, err = unix.Seek(int(f.Fd()), start, unix.SEEK_HOLE); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d-%d", start, off))
	}
	if a, b := strings.Join(got, " "), strings.Join(merged(runs), " "); a != b {
		t.Errorf("data is at %s, want %s", a, b)
	}
	if _, err := os.OpenFile(f.Name(), os.O_RDWR, 0); err == nil {
		t.Error("it can be opened for writing")
	}
}

// merged joins runs that touch: they lie apart in the image alone.
func merged(runs []string) []string {
	var out []string
	for _, r := range runs {
		start, end, _ := strings.Cut(r, "-")
		if k := len(out) - 1; k >= 0 && strings.HasSuffix(out[k], "-"+start) {
			first, _, _ := strings.Cut(out[k], "-")
			out[k] = first + "-" + end
			continue
		}
		out = append(out, r)
	}
	return out
}

func TestProgramsThatWantAFileTakeIt(t *testing.T) {
	_, dir := mountDisks(t, gpt)
	disk := filepath.Join(dir, "disk")
	raw := filepath.Join(t.TempDir(), "raw")
	oracle.Run(t, "qemu-img", "convert", "-f", "qed", "-O", "raw", gpt, raw)
	oracle.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "raw", disk, raw)
	if a, b := oracle.Run(t, "qemu-img", "map", "-f", "raw", "--output=json", disk), `"data": false`; !strings.Contains(a, b) {
		t.Errorf("qemu-img map sees no holes: %s", a)
	}
	loop := strings.TrimSpace(oracle.Run(t, "losetup", "-r", "-f", "--show", disk))
	defer oracle.Run(t, "losetup", "-d", loop)
	oracle.Run(t, "cmp", loop, raw)
}

// numbersOf are the entries of a directory with the inode numbers that it has
// for them.
func numbersOf(t *testing.T, dir string) map[string]uint64 {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list := make(map[string]uint64)
	for buf := make([]byte, 64<<10); ; {
		n, err := unix.Getdents(int(f.Fd()), buf)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return list
		}
		for b := buf[:n]; len(b) > 0; b = b[binary.NativeEndian.Uint16(b[16:]):] {
			name, _, _ := bytes.Cut(b[19:binary.NativeEndian.Uint16(b[16:])], []byte{0})
			list[string(name)] = binary.NativeEndian.Uint64(b)
		}
	}
}

func TestADirectoryHasTheNumbersOfItsFiles(t *testing.T) {
	disk, err := imagefs.Open(gpt, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	root := mount(t, disk, ".")
	seen := make(map[uint64]string)
	for _, dir := range []string{".", "p1", "p2", "p2/etc"} {
		list := numbersOf(t, filepath.Join(root, dir))
		for _, dot := range []string{".", ".."} {
			if list[dot] == 0 {
				t.Errorf("%s: no %s", dir, dot)
			}
		}
		for name, ino := range list {
			path := filepath.Join(root, dir, name)
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if st := info.Sys().(*syscall.Stat_t); st.Ino != ino && !(dir == "." && name == "..") {
				t.Errorf("%s: d_ino %d, st_ino %d", path, ino, st.Ino)
			}
			if name == "." || name == ".." {
				continue
			}
			if other, taken := seen[ino]; taken {
				t.Errorf("%s and %s have the number %d", path, other, ino)
			}
			seen[ino] = path
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d files were seen", len(seen))
	}
}

// breaking is a disk that from some moment on cannot be read from an offset on.
type breaking struct {
	qedfile.Disk
	from atomic.Int64
}

func (d *breaking) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > d.from.Load() {
		return 0, errors.New("the disk is broken")
	}
	return d.Disk.ReadAt(p, off)
}

func TestAVolumeThatCannotBeOpenedIsAnError(t *testing.T) {
	img, err := qedfile.Open(gpt, nil)
	if err != nil {
		t.Fatal(err)
	}
	disk := &breaking{Disk: img}
	disk.from.Store(img.Size())
	whole, err := imagefs.OpenDisk(disk, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { whole.Close() })
	volumes, err := whole.Volumes()
	if err != nil {
		t.Fatal(err)
	}
	disk.from.Store(volumes[1].Offset)
	var said atomic.Int32
	dir := mountWith(t, &mounted.Options{
		Tree: whole.FS(), Root: ".", Volumes: volumes, Source: "test",
		Problem: func(string, error) { said.Add(1) },
	})
	if list := numbersOf(t, dir); len(list) != 4 { // two dots, two volumes
		t.Errorf("the volumes are %v", list)
	}
	if _, err := os.Stat(filepath.Join(dir, "p2")); !errors.Is(err, syscall.EIO) {
		t.Errorf("%v, want EIO", err)
	}
	if said.Load() == 0 {
		t.Error("nobody is told why")
	}
	if _, err := os.Stat(filepath.Join(dir, "p1")); err != nil {
		t.Errorf("the other volume: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "p3")); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("what there is not: %v", err)
	}
}

func TestNothingIsMountedWhereItCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	opts := &mounted.Options{Disks: []mounted.DiskFile{}, Ready: func() { t.Error("it is mounted") }}
	if err := mounted.Mount(context.Background(), file, opts); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("%v, want ENOTDIR", err)
	}
	if b, err := os.ReadFile(file); string(b) != "mine" {
		t.Errorf("the file is %q, %v", b, err)
	}
	if err := mounted.Mount(context.Background(), file+"2", opts); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, want ENOENT", err)
	}
}
