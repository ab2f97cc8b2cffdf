package images_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/adapters/images/internal/imagetest"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// unpackMachines puts the committed images of virtual machines' formats into a
// directory.
func unpackMachines(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range imagetest.MachineImages(t, "../..", "*") {
		writeFile(t, filepath.Join(dir, name), b)
	}
	return dir
}

// TestCommittedMachineImages reads what qemu-img made, and compares the disk
// and the map with what qemu-img said of them.
func TestCommittedMachineImages(t *testing.T) {
	dir := unpackMachines(t)
	sums, err := filepath.Glob(testdata + "images/machines/*.sha256")
	if err != nil || len(sums) < 10 {
		t.Fatal("no images", err)
	}
	for _, name := range sums {
		base := strings.TrimSuffix(name, ".sha256")
		t.Run(filepath.Base(base), func(t *testing.T) {
			file := filepath.Join(dir, filepath.Base(base))
			d := open(t, file, &images.Options{Files: images.Siblings(file)})
			for _, n := range []int{777, 4096, 1 << 20} {
				h := sha256.New()
				if _, err := io.CopyBuffer(h, io.NewSectionReader(d, 0, d.Size()), make([]byte, n)); err != nil {
					t.Fatal(err)
				}
				want, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				if got := hex.EncodeToString(h.Sum(nil)); got != strings.TrimSpace(string(want)) {
					t.Errorf("read in pieces of %d bytes the disk has checksum %s, want %s", n, got, want)
				}
			}
			if strings.HasPrefix(filepath.Base(base), "flat") || strings.Contains(base, "static") || strings.Contains(base, "fixed") {
				return // their map has the holes of the file, which is one without here
			}
			b, err := os.ReadFile(base + ".map")
			if err != nil {
				if strings.HasSuffix(base, ".vhdx") {
					return // qemu-img has no map of them
				}
				t.Fatal(err)
			}
			var want []imagetest.MapEntry
			if err := json.Unmarshal(b, &want); err != nil {
				t.Fatal(err)
			}
			imagetest.CompareMaps(t, imagetest.Map(t, d), want)
		})
	}
}

// TestWrittenImagesReadBack writes the disk of each committed image in each
// form that there is.
func TestWrittenImagesReadBack(t *testing.T) {
	dir := unpackMachines(t)
	name := filepath.Join(dir, "dynamic-size.vhd")
	src := open(t, name, nil)
	want := contents(t, src)
	for _, m := range writtenImages {
		out := filepath.Join(t.TempDir(), "out")
		writeImage(t, m, src, out, 3)
		d := open(t, out, &images.Options{Files: images.Anywhere(out)})
		if got := contents(t, d); !strings.HasPrefix(string(got), string(want)) || len(got) != len(want) && m.values()["force_size"] != "off" {
			t.Errorf("%v: the disk has changed", m)
		}
		d.Close()
	}
}

// TestErrorsOfTheStorageEndWriting lets each write of an image fail in turn.
func TestErrorsOfTheStorageEndWriting(t *testing.T) {
	src, err := qedfile.NewRaw(backend.NewMemory([]byte(strings.Repeat("some data", 100000))))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range writtenImages {
		for n := 1; ; n++ {
			left := n
			f := &failing{Storage: backend.NewMemory(nil), left: &left}
			opts := &images.WriteOptions{Values: m.values()}
			opts.Create = func(string) (backend.Storage, error) {
				if left--; left == 0 {
					return nil, io.ErrShortWrite
				}
				return &failing{Storage: backend.NewMemory(nil), left: &left}, nil
			}
			opts.Workers = 1
			err := images.Write(t.Context(), m.format, f, src, opts)
			if left > 0 {
				if err != nil {
					t.Errorf("%v: %v", m, err)
				}
				break
			}
			if err == nil {
				t.Errorf("%v: write %d failed, and Write returns nil", m, n)
			}
		}
	}
}

// failing fails the write that uses up what is left.
type failing struct {
	backend.Storage
	left *int
}

func (f *failing) WriteAt(p []byte, off int64) (int, error) {
	if *f.left--; *f.left == 0 {
		return 0, io.ErrShortWrite
	}
	return f.Storage.WriteAt(p, off)
}

func (f *failing) Truncate(n int64) error {
	if *f.left--; *f.left == 0 {
		return io.ErrShortWrite
	}
	return f.Storage.Truncate(n)
}
