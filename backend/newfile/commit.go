package newfile

import (
	"errors"
	"io/fs"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// syncsAtOnce is how many files are synced at the same time: a filesystem with
// a journal writes it once for all of them.
const syncsAtOnce = 16

// Commit syncs the file, gives it its name and syncs the directory, which makes
// it durable. After an error before the renaming what had the name still has
// it, and Close removes the new file; see [File.Committed]. In any case the
// file is closed.
func (f *File) Commit() error { return CommitAll(f) }

// CommitAll commits files as [File.Commit] does each, but syncs several at once
// and each directory only once. One that fails keeps none of the others from
// being committed; the error holds an [fs.PathError] for each that failed.
func CommitAll(files ...*File) error {
	errs := CommitEach(files...)
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// CommitEach is [CommitAll], and returns what each of the files failed by, nil
// for those that did not.
func CommitEach(files ...*File) []error {
	errs := make([]error, len(files))
	var g errgroup.Group
	g.SetLimit(syncsAtOnce)
	for i, f := range files {
		g.Go(func() error {
			errs[i] = f.finish()
			return nil
		})
	}
	_ = g.Wait() // each has its error

	synced := make(map[directoryKey]error)
	for i, f := range files {
		if errs[i] == nil {
			errs[i] = f.rename()
		}
		if errs[i] == nil && !f.opts.Unsynced {
			synced[f.directory()] = nil
		}
	}
	for key := range synced {
		synced[key] = key.dir.syncDir(key.name)
	}
	for i, f := range files {
		if f.committed && errs[i] == nil {
			errs[i] = synced[f.directory()]
		}
		closeErr := f.Close()
		if errs[i] == nil {
			errs[i] = closeErr
		}
		if errs[i] != nil {
			errs[i] = pathError(f.shown, errs[i])
		}
	}
	return errs
}

// directoryKey tells directories apart, as far as one is not synced in the
// place of another.
type directoryKey struct {
	dir  directory
	name string
}

func (f *File) directory() directoryKey { return directoryKey{f.dir, filepath.Dir(f.name)} }

// finish makes the file as it is to be, and durable.
func (f *File) finish() error {
	if f.closed {
		return fs.ErrClosed
	}
	if f.oldInfo != nil && f.opts.Perm == 0 {
		keepOwner(f.OSFile(), f.oldInfo)
		if err := f.OSFile().Chmod(f.oldInfo.Mode().Perm()); err != nil {
			return err
		}
	}
	if f.opts.Unsynced {
		return nil
	}
	return f.dir.syncFile(f.OSFile())
}

// rename gives the file its name.
func (f *File) rename() error {
	if err := f.ownsTemp(); err != nil {
		return err
	}
	if !f.file.Locked() {
		// Nothing is lost by closing it, and Windows renames no open file.
		if err := f.file.Close(); err != nil {
			return err
		}
	}
	if f.opts.Exclusive {
		err := f.dir.link(f.temp, f.name)
		if err == nil {
			f.committed = true
			return f.removeTemp()
		}
		// An error may mean as well that there are no hard links here.
		if _, statErr := f.dir.lstat(f.name); !errors.Is(statErr, fs.ErrNotExist) {
			return err
		}
	}
	err := f.dir.rename(f.temp, f.name)
	f.committed = err == nil
	return err
}
