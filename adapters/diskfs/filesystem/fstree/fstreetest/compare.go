package fstreetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// maxReports bounds how many differences a comparison prints: one mistake in
// a reader shows in thousands of files.
const maxReports = 20

// Compare walks the whole tree of fsys and compares it with what the oracle
// wrote down: the set of paths, and of each file every field and byte.
func Compare(tb testing.TB, fsys fs.FS, records []Record, skip Skip) {
	tb.Helper()
	report(tb, compare(fsys, records, Config{Skip: skip}.skip))
}

// compareConcurrently compares on n goroutines at once, each beginning at
// another file, so that different files are read from one handle together.
func compareConcurrently(tb testing.TB, fsys fs.FS, records []Record, skip func(*Record) Skip, n int) {
	tb.Helper()
	results := make([][]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			first := i * len(records) / n
			rotated := append(append([]Record{}, records[first:]...), records[:first]...)
			results[i] = compare(fsys, rotated, skip)
		})
	}
	wg.Wait()
	for i, r := range results {
		if len(r) > 0 {
			tb.Logf("goroutine %d of %d:", i, n)
			report(tb, r)
			return
		}
	}
}

func report(tb testing.TB, differences []string) {
	tb.Helper()
	for i, d := range differences {
		if i == maxReports {
			tb.Errorf("... and %d more differences", len(differences)-i)
			return
		}
		tb.Error(d)
	}
}

// compare returns the differences between a tree and its records.
func compare(fsys fs.FS, records []Record, skip func(*Record) Skip) []string {
	c := comparer{fsys: fsys, children: map[string]map[string]bool{}}
	for _, r := range records {
		if r.Path != "." {
			parent, name := path.Split(r.Path)
			parent = path.Clean(parent)
			if c.children[parent] == nil {
				c.children[parent] = map[string]bool{}
			}
			c.children[parent][name] = true
		}
	}
	for i := range records {
		c.path, c.skip = records[i].Path, skip(&records[i])
		c.file(&records[i])
	}
	return c.differences
}

type comparer struct {
	fsys        fs.FS
	children    map[string]map[string]bool
	path        string
	skip        Skip // of the file at path
	differences []string
}

func (c *comparer) errorf(format string, args ...any) {
	c.differences = append(c.differences, fmt.Sprintf("%q: ", c.path)+fmt.Sprintf(format, args...))
}

// want reports a field that is not as the oracle has it.
func want[T comparable](c *comparer, field string, got, want T) {
	if got != want {
		c.errorf("%s is %v, want %v", field, got, want)
	}
}

func (c *comparer) file(r *Record) {
	info, err := fs.Lstat(c.fsys, r.Path)
	if err != nil {
		c.errorf("lstat: %v", err)
		return
	}
	st, ok := info.Sys().(*fstree.Stat)
	if !ok {
		c.errorf("Sys() is a %T", info.Sys())
		return
	}
	c.fields(r, info, st)
	c.times(r, info, st)
	if c.skip&SkipXattrs == 0 {
		c.xattrs(r, st)
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		c.directory(r)
	case fs.ModeSymlink:
		target, err := fs.ReadLink(c.fsys, r.Path)
		if err != nil {
			c.errorf("readlink: %v", err)
		}
		want(c, "target", target, string(r.Target))
	case 0:
		c.contents(r)
	}
}

func (c *comparer) fields(r *Record, info fs.FileInfo, st *fstree.Stat) {
	mode, got := fstree.UnixMode(r.Mode), info.Mode()
	if c.skip&SkipMode != 0 {
		mode, got = mode.Type(), got.Type()
	}
	want(c, "mode", got, mode)
	want(c, "Stat.Mode", st.Mode, info.Mode())
	if !info.IsDir() || c.skip&SkipDirSize == 0 {
		want(c, "size", info.Size(), r.Size)
		if c.skip&SkipBlocks == 0 {
			want(c, "blocks", st.Blocks, r.Blocks)
		}
	}
	if c.skip&SkipIno == 0 {
		want(c, "inode", st.Ino, r.Ino)
	}
	if c.skip&SkipNlink == 0 {
		want(c, "links", st.Nlink, r.Nlink)
	}
	if c.skip&SkipOwner == 0 {
		want(c, "uid", st.UID, r.UID)
		want(c, "gid", st.GID, r.GID)
	}
	want(c, "device", [2]uint32{st.Major, st.Minor}, [2]uint32{r.Major, r.Minor})
}

func (c *comparer) times(r *Record, info fs.FileInfo, st *fstree.Stat) {
	same := func(field string, got time.Time, want *time.Time) {
		if want != nil && !got.Equal(*want) {
			c.errorf("%s is %v, want %v", field, got.UTC(), want.UTC())
		}
	}
	if c.skip&SkipMtime == 0 {
		same("mtime", st.Mtime, r.Mtime)
		same("ModTime()", info.ModTime(), r.Mtime)
	}
	// Every filesystem has this one, even where the oracle cannot show it.
	if st.Mtime.IsZero() {
		c.errorf("there is no mtime")
	}
	if c.skip&SkipAtime == 0 {
		same("atime", st.Atime, r.Atime)
	}
	if c.skip&SkipCtime == 0 {
		same("ctime", st.Ctime, r.Ctime)
	}
	if c.skip&SkipBtime == 0 {
		same("btime", st.Btime, r.Btime)
	}
}

func (c *comparer) xattrs(r *Record, st *fstree.Stat) {
	got, err := st.Xattrs()
	if err != nil {
		c.errorf("xattrs: %v", err)
		return
	}
	for name, value := range r.Xattrs {
		v, ok := got[name]
		if !ok {
			c.errorf("no xattr %s", name)
		} else if !bytes.Equal(v, value) {
			c.errorf("xattr %s is %.60q, want %.60q", name, v, value)
		}
	}
	for name := range got {
		if _, ok := r.Xattrs[name]; !ok {
			c.errorf("xattr %s that should not be there", name)
		}
	}
}

func (c *comparer) directory(r *Record) {
	entries, err := fs.ReadDir(c.fsys, r.Path)
	if err != nil {
		c.errorf("readdir: %v", err)
	}
	expected := c.children[path.Clean(r.Path)]
	seen := map[string]bool{}
	for _, e := range entries {
		if seen[e.Name()] {
			c.errorf("entry %q twice", e.Name())
		}
		seen[e.Name()] = true
		if !expected[e.Name()] {
			c.errorf("entry %q that should not be there", e.Name())
			continue
		}
		if info, err := e.Info(); err != nil {
			c.errorf("entry %q: info: %v", e.Name(), err)
		} else if info.Mode().Type() != e.Type() {
			c.errorf("entry %q has type %v in the directory, %v in the inode", e.Name(), e.Type(), info.Mode().Type())
		}
	}
	for name := range expected {
		if !seen[name] {
			c.errorf("no entry %q", name)
		}
	}
}

// extenter is what files of a tree implement besides the interfaces of the
// standard library.
type extenter interface {
	Extents(off, n int64) iter.Seq2[fstree.Extent, error]
}

func (c *comparer) contents(r *Record) {
	f, err := c.fsys.Open(r.Path)
	if r.Locked {
		if !errors.Is(err, fstree.ErrEncrypted) {
			c.errorf("open: %v, want an error of encryption", err)
		}
		return
	}
	if err != nil {
		c.errorf("open: %v", err)
		return
	}
	defer f.Close()
	at, ok := f.(io.ReaderAt)
	if !ok {
		c.errorf("a %T has no ReadAt", f)
		return
	}
	if r.SHA256 != "" {
		sum, err := hashWindows(at, r.Size, r.Data)
		if err != nil {
			c.errorf("read: %v", err)
		} else if sum != r.SHA256 {
			c.errorf("contents differ (%d bytes)", r.Size)
		}
	}
	if c.skip&SkipHoles == 0 {
		c.holes(r, f)
	}
}

func (c *comparer) holes(r *Record, f fs.File) {
	e, ok := f.(extenter)
	if !ok {
		c.errorf("a %T has no Extents", f)
		return
	}
	var data [][2]int64
	var at int64
	for run, err := range e.Extents(0, r.Size) {
		if err != nil {
			c.errorf("extents: %v", err)
			return
		}
		if run.Start != at || run.Length < 1 {
			c.errorf("extent [%d, +%d) follows byte %d", run.Start, run.Length, at)
			return
		}
		at += run.Length
		if run.Hole {
			continue
		}
		if n := len(data); n > 0 && data[n-1][1] == run.Start {
			data[n-1][1] = at
		} else {
			data = append(data, [2]int64{run.Start, at})
		}
	}
	want(c, "end of the last extent", at, r.Size)
	if !reflect.DeepEqual(data, r.Data) && len(data)+len(r.Data) > 0 {
		c.errorf("data lies in %.200v, want %.200v", strings.TrimSpace(fmt.Sprint(data)), fmt.Sprint(r.Data))
	}
}

func hashWindows(r io.ReaderAt, size int64, data [][2]int64) (string, error) {
	h := sha256.New()
	for _, w := range windows(size, data) {
		n, err := io.Copy(h, io.NewSectionReader(r, w[0], w[1]-w[0]))
		if err != nil {
			return "", err
		}
		if n != w[1]-w[0] {
			return "", fmt.Errorf("%d bytes at %d, want %d", n, w[0], w[1]-w[0])
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
