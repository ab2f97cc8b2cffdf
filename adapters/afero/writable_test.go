package qedafero_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"

	qedafero "github.com/qedfs/qedfs/adapters/afero"
	qeddiskfs "github.com/qedfs/qedfs/adapters/diskfs"
	"github.com/qedfs/qedfs/adapters/diskfs/writable"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// esp makes a copy of a committed image and opens its EFI system partition
// for writing.
func esp(t *testing.T) (name string, fsys afero.Fs, done func()) {
	t.Helper()
	b, err := os.ReadFile("../../testdata/gpt.qed")
	if err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(t.TempDir(), "copy.qed")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := qeddiskfs.Open(name, &qeddiskfs.Options{Image: &qedfile.Options{Writable: true}})
	if err != nil {
		t.Fatal(err)
	}
	volume, err := d.GoDisk().GetFilesystem(1)
	if err != nil {
		t.Fatal(err)
	}
	if fsys, err = qedafero.NewWritable(volume); err != nil {
		t.Fatal(err)
	}
	return name, fsys, func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAFATInsideAnImageCanBeWritten(t *testing.T) {
	name, fsys, done := esp(t)
	if err := fsys.MkdirAll("/EFI/Linux/conf.d", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := fsys.MkdirAll("/EFI/Linux", 0o755); err != nil {
		t.Errorf("MkdirAll of what is there: %v", err)
	}
	if err := afero.WriteFile(fsys, "/EFI/Linux/conf.d/boot entry.conf", []byte("quiet\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := fsys.OpenFile("/EFI/Linux/conf.d/boot entry.conf", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("splash\n"); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := fsys.Rename("/EFI/BOOT/BOOTX64.EFI", "/EFI/BOOT/GRUBX64.EFI"); err != nil {
		t.Error(err)
	}
	list, err := afero.ReadDir(fsys, "/EFI")
	if err != nil || len(list) != 3 {
		t.Errorf("/EFI has %d entries, %v", len(list), err)
	}
	done()

	// What is on the disk now, by other readers.
	d, err := qeddiskfs.Open(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for path, want := range map[string]string{
		"p1/EFI/Linux/conf.d/boot entry.conf": "quiet\nsplash\n",
		"p1/EFI/BOOT/GRUBX64.EFI":             "not really a boot loader\n",
		"p2/etc/hostname":                     "example\n",
	} {
		if b, err := fs.ReadFile(d.FS(), path); err != nil || string(b) != want {
			t.Errorf("%s holds %q, %v", path, b, err)
		}
	}
	volume, err := d.Volume("p1")
	if err != nil {
		t.Fatal(err)
	}
	raw := filepath.Join(t.TempDir(), "p1")
	if err := afero.WriteReader(afero.NewOsFs(), raw, volume.Reader()); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "fsck.fat", "-n", raw)
	oracle.Run(t, "qemu-img", "check", name)
}

func TestWhatIsWrittenWronglyIsRefused(t *testing.T) {
	_, fsys, done := esp(t)
	defer done()
	for what, err := range map[string]error{
		"remove":     fsys.Remove("/EFI/BOOT/BOOTX64.EFI"),
		"removeall":  fsys.RemoveAll("/EFI"),
		"empty file": afero.WriteFile(fsys, "/empty", nil, 0o644),
		"dot":        fsys.Mkdir("/.hidden", 0o755),
		"move":       fsys.Rename("/EFI/BOOT/BOOTX64.EFI", "/BOOTX64.EFI"),
	} {
		if !errors.Is(err, writable.ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := fsys.RemoveAll("/missing"); err != nil {
		t.Errorf("RemoveAll of nothing: %v", err)
	}
	if err := fsys.Chmod("/EFI", 0o700); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("chmod: %v", err)
	}
	if _, err := fsys.Open("/missing"); !os.IsNotExist(err) {
		t.Errorf("open: %v", err)
	}
	f, err := fsys.Open("/EFI/BOOT/BOOTX64.EFI")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("x"); err == nil {
		t.Error("wrote to a file that was opened for reading")
	}
	if _, err := fsys.OpenFile("/EFI/BOOT/BOOTX64.EFI", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0); !os.IsExist(err) {
		t.Errorf("O_EXCL: %v", err)
	}
	if err := fsys.Mkdir("/EFI", 0o755); !os.IsExist(err) {
		t.Errorf("mkdir of what is there: %v", err)
	}
	if err := fsys.Mkdir("/a/b", 0o755); !os.IsNotExist(err) {
		t.Errorf("mkdir in nothing: %v", err)
	}
}

func TestLateErrorsHaveTheCallersName(t *testing.T) {
	_, fsys, done := esp(t)
	defer done()
	const name = "/EFI/BOOT/../BOOT/BOOTX64.EFI"
	f, err := fsys.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(f); err != nil {
		t.Errorf("the end of a file is an error: %v", err)
	}
	calls := map[string]func() error{
		"write":    func() error { _, err := f.Write([]byte("x")); return err },
		"writeat":  func() error { _, err := f.WriteAt([]byte("x"), 0); return err },
		"string":   func() error { _, err := f.WriteString("x"); return err },
		"truncate": func() error { return f.Truncate(0) },
		"seek":     func() error { _, err := f.Seek(-1, io.SeekStart); return err },
		"readdir":  func() error { _, err := f.Readdirnames(-1); return err },
	}
	check := func(what string, err error) {
		t.Helper()
		var pe *fs.PathError
		if !errors.As(err, &pe) || pe.Path != name {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, call := range calls {
		check(what, call())
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	check("close", f.Close())
	check("sync", f.Sync())
	_, err = f.Read(make([]byte, 1))
	check("read", err)
}
