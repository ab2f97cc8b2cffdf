package ext4_test

import (
	"bytes"
	"io"
	"io/fs"
	"sync/atomic"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ext4"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

// counting counts the reads of an image.
type counting struct {
	r            io.ReaderAt
	reads, bytes atomic.Int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.reads.Add(1)
	c.bytes.Add(int64(len(p)))
	return c.r.ReadAt(p, off)
}

// The cache reads pieces of 64 KiB but for what lies alone; each of these is a
// piece that was not there yet, and more would be a read that nobody needs.
func TestReadsOfTheVolumeAreCounted(t *testing.T) {
	image := fstreetest.Image(t, "ext4-4k")
	r := &counting{r: bytes.NewReader(image)}
	var vol *fstree.FS
	steps := []struct {
		what  string
		reads int64
		do    func() error
	}{
		{"open", 3, // the superblock, the rest of its piece, and the piece of the root's inode
			func() (err error) { vol, err = ext4.Open(r, int64(len(image))); return err }},
		{"list the root", 0, // descriptors and directory lie with the superblock
			func() error { _, err := fs.ReadDir(vol, "."); return err }},
		{"list the root again", 0,
			func() error { _, err := fs.ReadDir(vol, "."); return err }},
		{"look up a file", 1, // its directory; its inode lies with the root's
			func() error { _, err := vol.Stat("sizes/65537.bin"); return err }},
		{"open the file", 0,
			func() error { _, err := vol.Open("sizes/65537.bin"); return err }},
		{"read its 17 blocks in a row", 1,
			func() error { _, err := fs.ReadFile(vol, "sizes/65537.bin"); return err }},
		{"read another by its path", 1,
			func() error { _, err := fs.ReadFile(vol, "sizes/65536.bin"); return err }},
		{"all attributes of a file", 0,
			func() error { return lstat(vol, "sizes/4096.bin") }},
	}
	for _, s := range steps {
		before := r.reads.Load()
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.what, err)
		}
		if n := r.reads.Load() - before; n != s.reads {
			t.Errorf("%s: %d reads, want %d", s.what, n, s.reads)
		}
	}
}

func lstat(vol *fstree.FS, name string) error {
	info, err := vol.Lstat(name)
	if err != nil {
		return err
	}
	_, err = info.Sys().(*fstree.Stat).Xattrs()
	return err
}

func walk(tb testing.TB, vol fs.FS, visit func(name string, info fs.FileInfo)) {
	tb.Helper()
	err := fs.WalkDir(vol, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		visit(name, info)
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}
