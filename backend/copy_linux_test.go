package backend

import (
	"os"
	"path/filepath"
	"testing"
)

func TestKernelCopiesBetweenFilesOfOneFilesystem(t *testing.T) {
	dir := t.TempDir()
	create := func(name string) *File {
		f, err := OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	src, dst := create("src"), create("dst")
	if _, err := src.WriteAt([]byte("0123456789"), 0); err != nil {
		t.Fatal(err)
	}
	section, err := NewSection(Unsynced(Borrowed(src)), 2, 6)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := copyByKernel(t.Context(), Unsynced(Borrowed(dst)), 4, section, 1, 5); n != 5 || err != nil {
		t.Fatalf("copyByKernel = %d, %v, want 5", n, err)
	}
	if got, err := os.ReadFile(dst.Name()); string(got) != "\x00\x00\x00\x0034567" || err != nil {
		t.Errorf("the target holds %q, %v", got, err)
	}
}
