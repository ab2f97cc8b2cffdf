package fstreetest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Opener opens the filesystem under test.
type Opener func(r io.ReaderAt, size int64) (fs.FS, error)

// Config is one way to make a filesystem.
type Config struct {
	Name string   // of the image, and of the subtest
	Size int64    // bytes of the device
	Mkfs []string // command; the image's path is added at the end
	// Make, if set, is called after Mkfs, or instead of it where there is
	// none: for what takes more than one command. Its source is DIR.
	Make  func(tb testing.TB, image, source string)
	Env   []string // environment that the command needs besides the usual
	Mount string   // type to mount with
	Opts  string   // mount options for filling; reading is always "ro" besides

	// Tree says what to fill it with. Fill, if set, makes the tree instead.
	Tree Tree
	Fill func(tb testing.TB, dir string)

	// Populated marks a Mkfs that fills the filesystem itself from the
	// directory that stands for DIR in its arguments, for filesystems that
	// the kernel at hand does not mount. The oracle is that directory; for
	// [RunInGuest] it is the kernel that does mount it.
	// LostFound marks one that makes a directory "lost+found" besides, Mounted
	// one that the kernel at hand mounts after all, and is the oracle of:
	// filesystems that are never written.
	Populated, LostFound, Mounted bool

	// Craft, if set, changes the image after mkfs instead of filling it: for
	// structures that no driver writes. Only [RunInGuest] knows it.
	Craft func(tb testing.TB, image string)

	// Crash, if set, changes the mounted tree after it was synced. The image
	// is then copied as it is, as if the power had failed; the oracle is the
	// kernel's recovery of another copy.
	Crash func(tb testing.TB, dir string)

	// ReadOpts are options for the oracle's mount besides "ro".
	ReadOpts string

	// Adjust, if set, changes what the oracle says of a file where that is
	// not what the image holds.
	Adjust func(r *Record)

	Skip Skip
	// SkipAt, if set, adds what is left out of single files.
	SkipAt func(r *Record) Skip

	Large bool // too large to commit: made and compared only with the oracle
}

// Run compares the reader with the oracle on every configuration. With -short,
// which is for the race detector, the committed images have to do: a fresh one
// takes the same paths.
func Run(t *testing.T, configs []Config, open Opener) {
	for _, c := range configs {
		t.Run(c.Name, func(t *testing.T) {
			if !c.Large {
				t.Run("committed", func(t *testing.T) {
					image, records := Committed(t, c.Name)
					compareOn(t, bytes.NewReader(image), int64(len(image)), records, c, open)
				})
			}
			t.Run("kernel", func(t *testing.T) {
				if testing.Short() {
					t.Skip("a fresh image is made without -short")
				}
				image, records := build(t, c)
				f, err := os.Open(image)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				compareOn(t, f, c.Size, records, c, open)
				if os.Getenv("QEDFS_UPDATE_TESTDATA") == "1" && !c.Large && !t.Failed() {
					commit(t, c.Name, f, records)
				}
			})
		})
	}
}

// skip is what is left out of a file.
func (c Config) skip(r *Record) Skip {
	if c.SkipAt == nil {
		return c.Skip
	}
	return c.Skip | c.SkipAt(r)
}

func compareOn(t *testing.T, r io.ReaderAt, size int64, records []Record, c Config, open Opener) {
	fsys, err := open(r, size)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	if c.Adjust != nil {
		for i := range records {
			c.Adjust(&records[i])
		}
	}
	checkErrors(t, fsys, records)
	checkIdentity(t, fsys, records)
	report(t, compare(fsys, records, c.skip))
	compareConcurrently(t, fsys, records, c.skip, 8)
}

// Committed returns a committed image and its manifest.
func Committed(tb testing.TB, name string) ([]byte, []Record) {
	tb.Helper()
	d, err := dir()
	if err != nil {
		tb.Fatal(err)
	}
	records, err := readManifest(filepath.Join(d, name+".manifest.gz"))
	if err != nil {
		tb.Fatal(err)
	}
	return Image(tb, name), records
}

// Image returns a committed image alone.
func Image(tb testing.TB, name string) []byte {
	tb.Helper()
	d, err := dir()
	if err != nil {
		tb.Fatal(err)
	}
	f, err := os.Open(filepath.Join(d, name+".img.gz"))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	image, err := io.ReadAll(zr)
	if err != nil {
		tb.Fatal(err)
	}
	return image
}

// commit replaces a committed image. It takes the number of bytes that the
// manifest and the image have compressed as a warning, since the whole of
// testdata is to stay small.
func commit(tb testing.TB, name string, image *os.File, records []Record) {
	tb.Helper()
	d, err := dir()
	if err != nil {
		tb.Fatal(err)
	}
	to := filepath.Join(d, name+".img.gz")
	err = errors.Join(
		os.MkdirAll(d, 0o755),
		writeManifest(filepath.Join(d, name+".manifest.gz"), records),
		writeGzip(to, func(w io.Writer) error {
			info, err := image.Stat()
			if err != nil {
				return err
			}
			_, err = io.Copy(w, io.NewSectionReader(image, 0, info.Size()))
			return err
		}),
	)
	if err != nil {
		tb.Fatal(err)
	}
	if info, err := os.Stat(to); err == nil {
		tb.Logf("%s: %d KiB", to, info.Size()>>10)
	}
}
