package qeddiskfs_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/diskfs/go-diskfs"
	godiskfs "github.com/diskfs/go-diskfs/backend"

	qeddiskfs "github.com/qedfs/qedfs/adapters/diskfs"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

func memoryDisk(t *testing.T, b []byte) *qedfile.Raw {
	t.Helper()
	d, err := qedfile.NewRaw(backend.NewMemory(b))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// openCommitted opens an image of the project's testdata.
func openCommitted(tb testing.TB, name string) *qeddiskfs.Disk {
	tb.Helper()
	d, err := qeddiskfs.Open("../../testdata/"+name, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := d.Close(); err != nil {
			tb.Error(err)
		}
	})
	return d
}

func TestStorageReadsAsAFileDoes(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 64)
	s := qeddiskfs.NewStorage(memoryDisk(t, bytes.Clone(content)), &qeddiskfs.StorageOptions{Name: "disk"})
	if err := iotest.TestReader(s, content); err != nil {
		t.Error(err)
	}
	// go-diskfs takes an io.EOF with the last bytes for a failure.
	last := make([]byte, 16)
	if n, err := s.ReadAt(last, int64(len(content)-16)); n != 16 || err != nil {
		t.Errorf("the last bytes: %d, %v", n, err)
	}
	if n, err := s.ReadAt(last, int64(len(content)-8)); n != 8 || err != io.EOF {
		t.Errorf("past the end: %d, %v", n, err)
	}
	if _, err := s.ReadAt(last, -1); err == nil {
		t.Error("a negative offset was read")
	}
	if _, err := s.Seek(-1, io.SeekStart); err == nil {
		t.Error("sought to a negative offset")
	}
	if _, err := s.Seek(0, 7); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("seek from nowhere: %v", err)
	}
	info, err := s.Stat()
	if err != nil || info.Size() != int64(len(content)) || !info.Mode().IsRegular() || info.Name() != "disk" || s.Path() != "disk" {
		t.Errorf("stat: %v, %v", info, err)
	}
	if _, err := s.Sys(); !errors.Is(err, godiskfs.ErrNotSuitable) {
		t.Errorf("sys: %v", err)
	}
}

func TestStorageIsWrittenOnlyWhereThatIsAllowed(t *testing.T) {
	closed := readOnlyDisk{bytes.NewReader(make([]byte, 512))}
	for name, s := range map[string]godiskfs.Storage{
		"without options":     qeddiskfs.NewStorage(memoryDisk(t, make([]byte, 512)), nil),
		"of a read-only disk": qeddiskfs.NewStorage(closed, &qeddiskfs.StorageOptions{Writable: true}),
	} {
		if _, err := s.Writable(); !errors.Is(err, godiskfs.ErrIncorrectOpenMode) {
			t.Errorf("%s: %v", name, err)
		}
	}
	memory := backend.NewMemory(make([]byte, 1024))
	raw, err := qedfile.NewRaw(memory)
	if err != nil {
		t.Fatal(err)
	}
	w, err := qeddiskfs.NewStorage(raw, &qeddiskfs.StorageOptions{Writable: true}).Writable()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := w.WriteAt([]byte("data"), 512); n != 4 || err != nil {
		t.Errorf("write: %d, %v", n, err)
	}
	if err := w.(interface{ Sync() error }).Sync(); err != nil {
		t.Error(err)
	}
	if got := memory.Bytes()[512:516]; string(got) != "data" {
		t.Errorf("the disk holds %q", got)
	}
	for _, off := range []int64{-1, 1022, 1 << 40} {
		if _, err := w.WriteAt([]byte("data"), off); err == nil {
			t.Errorf("a write at %d went through", off)
		}
	}
}

type readOnlyDisk struct{ *bytes.Reader }

func (readOnlyDisk) Close() error { return nil }

func TestGoDiskfsReadsAnImageThroughTheStorage(t *testing.T) {
	img, err := qedfile.Open("../../testdata/gpt.qed", nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := diskfs.OpenBackend(qeddiskfs.NewStorage(img, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Table == nil || d.Table.Type() != "gpt" || len(d.Table.GetPartitions()) != 2 {
		t.Fatalf("table: %+v", d.Table)
	}
	var contents bytes.Buffer
	if n, err := d.ReadPartitionContents(1, &contents); err != nil || n != 4<<20 {
		t.Errorf("read %d bytes of the partition, %v", n, err)
	}
	want := make([]byte, 4<<20)
	if _, err := img.ReadAt(want, 1<<20); err != nil || !bytes.Equal(contents.Bytes(), want) {
		t.Errorf("the contents differ, %v", err)
	}
	fat, err := d.GetFilesystem(1)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := fat.ReadFile("EFI/BOOT/BOOTX64.EFI"); err != nil || string(b) != "not really a boot loader\n" {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestGoDiskHasTheLogicalPartitions(t *testing.T) {
	d := openCommitted(t, "mbr-logical.qed")
	var got bytes.Buffer
	if _, err := d.GoDisk().ReadPartitionContents(6, &got); err != nil {
		t.Fatal(err)
	}
	v, err := d.Volume("p6")
	if err != nil {
		t.Fatal(err)
	}
	want, err := io.ReadAll(v.Reader())
	if err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d bytes, want %d, or they differ: %v", got.Len(), len(want), err)
	}
}

func TestGetFilesystemIsReadByTheBetterReaders(t *testing.T) {
	for _, c := range []struct {
		image  string
		number int
		file   string
		label  string
	}{
		{"gpt.qed", 1, "EFI/A file with a long name.txt", "ESP"},
		{"gpt.qed", 2, "etc/os-release", "root"},
		{"mbr-logical.qed", 6, "os-release", "logical6"},
		{"bare-ext4.qed", 0, "var/log/sparse", "bare"},
		{"iso9660.qed", 0, "usr/bin/hello", "EXAMPLE"},
	} {
		d := openCommitted(t, c.image)
		fsys, err := qeddiskfs.GetFilesystem(d.GoDisk(), c.number)
		if err != nil {
			t.Errorf("%s %d: %v", c.image, c.number, err)
			continue
		}
		if fsys.Label() != c.label {
			t.Errorf("%s %d: label %q", c.image, c.number, fsys.Label())
		}
		f, err := fsys.OpenFile(c.file, os.O_RDONLY)
		if err != nil {
			t.Errorf("%s %d: %v", c.image, c.number, err)
			continue
		}
		if b, err := io.ReadAll(f); err != nil || len(b) == 0 {
			t.Errorf("%s %s: %d bytes, %v", c.image, c.file, len(b), err)
		}
		if _, err := f.Write([]byte("x")); err == nil {
			t.Errorf("%s: written", c.image)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// go-diskfs's own filesystems take paths from the root in these two calls,
// and so do the programs that use them.
func TestGetFilesystemTakesPathsFromTheRoot(t *testing.T) {
	fsys, err := qeddiskfs.GetFilesystem(openCommitted(t, "gpt.qed").GoDisk(), 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/etc/os-release", "//etc/os-release", "./etc/os-release", "etc/os-release"} {
		f, err := fsys.OpenFile(name, os.O_RDONLY)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if _, err := fsys.Stat(name); err != nil {
			t.Error(err)
		}
	}
	if info, err := fsys.Stat("/"); err != nil || !info.IsDir() {
		t.Errorf("the root: %v, %v", info, err)
	}
	if _, err := fsys.OpenFile("/nothing", os.O_RDONLY); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := fstest.TestFS(fsys, "etc/os-release"); err != nil {
		t.Error(err)
	}
}

// On FAT, Open of go-diskfs takes them as well.
func TestEveryMethodOfAFATTakesPathsFromTheRoot(t *testing.T) {
	d := openCommitted(t, "gpt.qed").GoDisk()
	ours, err := qeddiskfs.GetFilesystem(d, 1)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := d.GetFilesystem(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/BOOTX64.EFI"} {
		for who, fsys := range map[string]qeddiskfs.FileSystem{"ours": ours, "go-diskfs's": theirs} {
			f, err := fsys.Open(name)
			if err != nil {
				t.Errorf("%s: %v", who, err)
				continue
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := ours.Stat(name); err != nil {
			t.Error(err)
		}
		if _, err := ours.ReadFile(name); err != nil {
			t.Error(err)
		}
	}
	for _, dir := range []string{"/EFI", "./EFI", "EFI", "/"} {
		if list, err := ours.ReadDir(dir); err != nil || len(list) == 0 {
			t.Errorf("%s: %v, %v", dir, list, err)
		}
	}
}
