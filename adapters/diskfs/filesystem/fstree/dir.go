package fstree

import (
	"errors"
	"io"
	"io/fs"
	"iter"
	"math"
	"runtime"
	"sync"
)

// dir is an open directory.
type dir struct {
	tree *tree
	name string
	info *fileInfo

	mu     sync.Mutex
	next   func() (Entry, error, bool) // the rest of the listing, once it was begun in parts
	stop   func()
	done   bool
	closed bool
}

var _ fs.ReadDirFile = (*dir)(nil)

func (d *dir) Stat() (fs.FileInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, pathError("stat", d.name, fs.ErrClosed)
	}
	return d.info, nil
}

func (d *dir) Read([]byte) (int, error) { return 0, pathError("read", d.name, ErrIsDir) }

func (d *dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return pathError("close", d.name, fs.ErrClosed)
	}
	d.closed = true
	if d.stop != nil {
		d.stop()
	}
	return nil
}

// ReadDir lists the directory. With n > 0 it returns the next n entries in
// stored order and holds no more than these, however large the directory is;
// an error comes with the entries before it, and the next call goes on after
// what is damaged. With n <= 0 it returns all that is left, and all errors.
func (d *dir) ReadDir(n int) (_ []fs.DirEntry, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.tree.closed.Load() {
		return nil, pathError("readdir", d.name, fs.ErrClosed)
	}
	defer d.tree.guard("readdir", d.name, &err)
	var list []dirEntry
	switch {
	case n > 0:
		list, err = d.some(n)
	case d.next == nil && !d.done:
		d.done = true
		list, err = d.tree.list(d.info.st.id)
	default:
		var errs damages
		for !d.done {
			part, err := d.some(math.MaxInt)
			list = append(list, part...)
			if err != nil {
				errs.add(err)
			}
		}
		err = errors.Join(errs...)
	}
	if err != nil {
		return dirEntries(list), pathError("readdir", d.name, err)
	}
	if n > 0 && len(list) == 0 {
		return nil, io.EOF
	}
	return dirEntries(list), nil
}

// some returns the next entries, up to n or to the first error. If the
// directory is let go without being closed, the coroutine that reads it ends
// with it, as an os.File's descriptor would.
func (d *dir) some(n int) ([]dirEntry, error) {
	if d.next == nil && !d.done {
		d.next, d.stop = iter.Pull2(d.tree.engine.ReadDir(d.info.st.id))
		runtime.AddCleanup(d, func(stop func()) { stop() }, d.stop)
	}
	var list []dirEntry
	for !d.done && len(list) < n {
		e, err, ok := d.next()
		if !ok {
			d.done = true
			break
		}
		if err != nil {
			return list, err
		}
		entry, err := d.tree.entry(e)
		if err != nil {
			return list, err
		}
		list = append(list, entry)
	}
	return list, nil
}

// dirEntry is the fs.DirEntry of every file.
type dirEntry struct {
	tree *tree
	name string // as the tree shows it
	id   ID
	typ  fs.FileMode
	info *fileInfo // read ahead, or nil
}

var _ fs.DirEntry = (*dirEntry)(nil)

func (d *dirEntry) Name() string      { return d.name }
func (d *dirEntry) IsDir() bool       { return d.typ == fs.ModeDir }
func (d *dirEntry) Type() fs.FileMode { return d.typ }
func (d *dirEntry) String() string    { return fs.FormatDirEntry(d) }

// Info reads the inode.
func (d *dirEntry) Info() (_ fs.FileInfo, err error) {
	if d.tree.closed.Load() {
		return nil, pathError("lstat", d.name, fs.ErrClosed)
	}
	if d.info != nil {
		return d.info, nil
	}
	defer d.tree.guard("lstat", d.name, &err)
	info, err := d.tree.info(d.name, d.id)
	if err != nil {
		return nil, pathError("lstat", d.name, err)
	}
	return info, nil
}

// entry makes an entry of the tree of a stored one. In a directory without
// types it reads the inode, and of a file whose inode is damaged only the
// name is known.
func (t *tree) entry(e Entry) (dirEntry, error) {
	if e.Name == "" {
		return dirEntry{}, t.damagedDir("an entry without a name")
	}
	d := dirEntry{tree: t, name: EscapeName(e.Name), id: e.ID, typ: e.Type}
	if e.Type == TypeUnknown {
		d.typ = fs.ModeIrregular
		if st, err := t.engine.Stat(e.ID); err == nil {
			d.typ = st.Mode.Type()
		}
	}
	return d, nil
}

func (t *tree) damagedDir(why string) error {
	return &DamageError{FS: t.engine.Info().Type, Structure: "directory", Block: -1, Why: why}
}

func dirEntries(list []dirEntry) []fs.DirEntry {
	out := make([]fs.DirEntry, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}
