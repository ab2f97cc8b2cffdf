package imagefs_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/qedfile"
)

func TestAVolumeThatCanNotBeReadSaysWhy(t *testing.T) {
	tree := openCommitted(t, "lvm.qed").FS()
	for name, want := range map[string]error{
		"p1":              imagefs.ErrUnsupported, // a physical volume
		"p1/etc":          errors.ErrUnsupported,
		"vg-snapshots":    imagefs.ErrUnsupported, // a thin pool
		"p9":              fs.ErrNotExist,
		"vg-root/missing": fs.ErrNotExist,
		"/vg-root":        fs.ErrInvalid,
		"vg-root/../p1":   fs.ErrInvalid,
	} {
		_, err := tree.Open(name)
		var pe *fs.PathError
		if !errors.As(err, &pe) || !errors.Is(err, want) || pe.Path != name {
			t.Errorf("%s: %v, want %v for this path", name, err, want)
		}
	}
	list, err := tree.ReadDir(".")
	if err != nil || len(list) != 2 {
		t.Errorf("the root lists %v, %v; want the two volumes that can be read", list, err)
	}
}

func TestErrorsNameThePathInTheWholeTree(t *testing.T) {
	tree := openCommitted(t, "gpt.qed").FS()
	_, open := tree.Open("p2/etc/missing")
	_, stat := tree.Stat("p2/etc/missing")
	_, lstat := tree.Lstat("p2/etc/missing")
	_, readDir := tree.ReadDir("p2/etc/missing")
	_, readFile := tree.ReadFile("p2/etc/missing")
	_, readLink := tree.ReadLink("p2/etc/missing")
	_, sub := tree.Sub("p2/etc/missing")
	for i, err := range []error{open, stat, lstat, readDir, readFile, readLink, sub} {
		var pe *fs.PathError
		if !errors.As(err, &pe) || pe.Path != "p2/etc/missing" || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

func TestTheRootCanBeListedInParts(t *testing.T) {
	f, err := openCommitted(t, "gpt.qed").FS().Open(".")
	if err != nil {
		t.Fatal(err)
	}
	d := f.(fs.ReadDirFile)
	for _, want := range []string{"p1", "p2"} {
		list, err := d.ReadDir(1)
		if err != nil || len(list) != 1 || list[0].Name() != want {
			t.Errorf("got %v, %v, want %s", list, err, want)
		}
	}
	if list, err := d.ReadDir(1); len(list) != 0 || err == nil {
		t.Errorf("behind the end: %v, %v", list, err)
	}
	if err := errors.Join(d.Close(), nil); err != nil {
		t.Error(err)
	}
	if _, err := d.ReadDir(-1); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestWalkGoesThroughAllVolumes(t *testing.T) {
	tree := openCommitted(t, "gpt.qed").FS()
	var walked []string
	for e, err := range tree.Walk(context.Background(), ".", nil) {
		if err != nil {
			t.Fatal(err)
		}
		walked = append(walked, e.Path)
		e.Skip = e.Path == "p2/usr"
	}
	var want []string
	err := fs.WalkDir(tree, ".", func(p string, _ fs.DirEntry, err error) error {
		want = append(want, p)
		if p == "p2/usr" {
			return fs.SkipDir
		}
		return err
	})
	if err != nil || !slices.Equal(walked, want) {
		t.Errorf("walked %q\n  want %q, %v", walked, want, err)
	}
	for e, err := range tree.Walk(context.Background(), "p2/missing", nil) {
		if !errors.Is(err, fs.ErrNotExist) || e.Path != "p2/missing" {
			t.Errorf("%s: %v", e.Path, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	n := 0
	for range tree.Walk(ctx, ".", nil) {
		n++
	}
	if n > 2 {
		t.Errorf("a cancelled walk went on for %d files", n)
	}
}

func TestStatOfAVolume(t *testing.T) {
	tree := openCommitted(t, "gpt.qed").FS()
	info, err := tree.Stat("p2")
	if err != nil || info.Name() != "p2" || !info.IsDir() {
		t.Fatalf("%v, %v", info, err)
	}
	if st, ok := info.Sys().(*imagefs.Stat); !ok || st.Ino != 2 {
		t.Errorf("Sys is %+v", info.Sys())
	}
	f, err := tree.Open("p2/etc/hostname")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, ok := f.(fstree.File); !ok {
		t.Errorf("an open file is a %T", f)
	}
}

func TestOpenRefusesWhatItCanNotKnow(t *testing.T) {
	raw := filepath.Join(t.TempDir(), "raw")
	if err := os.WriteFile(raw, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := imagefs.Open(raw, nil); !errors.Is(err, qedfile.ErrFormat) || !strings.Contains(err.Error(), "raw") {
		t.Errorf("a raw disk without being told: %v", err)
	}
	d, err := imagefs.Open(raw, &imagefs.Options{Format: imagefs.FormatRaw})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	v, err := d.Volume("disk")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.FS(); !errors.Is(err, imagefs.ErrNoFilesystem) {
		t.Errorf("an empty disk: %v", err)
	}
	if _, err := imagefs.Open(raw, &imagefs.Options{Format: "vmdk"}); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("another format: %v", err)
	}
	if _, err := imagefs.OpenDisk(memoryDisk(t, make([]byte, 512)), &imagefs.Options{SectorSize: 1000}); err == nil {
		t.Error("sectors of 1000 bytes were accepted")
	}
	if _, err := imagefs.Open(filepath.Join(t.TempDir(), "missing"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}
