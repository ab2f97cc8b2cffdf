package newfile

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/qedfs/qedfs/backend"
)

// Pattern matches the names of unfinished files, as [filepath.Match] takes it.
const Pattern = ".qed-*.partial"

// maxWriters is how many unfinished files of one final name there can be.
const maxWriters = 100

// temporaryName returns the n-th temporary name for a final one. It is short,
// as the final one may be as long as names can be.
func temporaryName(name string, n int) string {
	dir, base := filepath.Split(name)
	h := fnv.New64a()
	h.Write([]byte(base))
	number := ""
	if n > 1 {
		number = fmt.Sprintf("-%d", n)
	}
	return dir + fmt.Sprintf(".qed-%016x%s.partial", h.Sum64(), number)
}

// isTemporary reports whether a name is of the form of Pattern; on some hosts
// case makes no difference.
func isTemporary(name string) bool {
	ok, err := filepath.Match(Pattern, strings.ToLower(filepath.Base(name)))
	return ok && err == nil
}

// claim opens a temporary file that nobody else writes, and removes those that
// killed runs have left.
func (f *File) claim() error {
	for n := 1; n <= maxWriters; n++ {
		name := temporaryName(f.name, n)
		ok, err := f.open(name)
		if err != nil {
			return err
		}
		if !ok {
			continue // somebody else is writing it
		}
		f.temp = name
		for n++; f.removeLeftover(temporaryName(f.name, n)) == nil; n++ {
		}
		return nil
	}
	return fmt.Errorf("%d unfinished files of this name beside it, such as %s", maxWriters, temporaryName(f.name, 1))
}

// open makes a temporary file and locks it. It reports false where the name is
// taken.
func (f *File) open(name string) (ok bool, err error) {
	for range 100 {
		file, err := f.dir.openFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, f.createPerm())
		if errors.Is(err, fs.ErrExist) {
			if f.removeLeftover(name) != nil {
				return false, nil
			}
			continue
		}
		if err != nil {
			return false, err
		}
		f.temp = name
		f.file, err = lock(file)
		if err == nil {
			f.info, err = file.Stat()
		}
		if err != nil {
			return false, errors.Join(err, file.Close())
		}
		// Before it was locked another run may have taken it for a leftover.
		if f.ownsTemp() == nil {
			return true, nil
		}
		f.file.Close() // it has no name any more
	}
	return false, nil
}

// createPerm is what a temporary file is created with: its owner can always
// write it, so that a later run can lock and remove it.
func (f *File) createPerm() fs.FileMode {
	switch {
	case f.opts.Perm != 0:
		return f.opts.Perm.Perm() | 0o600
	case f.oldInfo != nil:
		return f.oldInfo.Mode().Perm() | 0o600
	}
	return 0o666
}

// lock locks a file that was just created. A run that looks whether it is a
// leftover may hold it for a moment.
func lock(file *os.File) (f *backend.File, err error) {
	for range 100 {
		f, err = backend.NewFile(file, os.O_RDWR, nil)
		if !errors.Is(err, backend.ErrLocked) {
			return f, err
		}
		time.Sleep(time.Millisecond)
	}
	return nil, err
}

var errInUse = errors.New("it may be in use")

// removeLeftover removes a temporary file that nobody writes any more. Nil
// means that the name is free, or was a moment ago.
func (f *File) removeLeftover(name string) error {
	info, err := f.dir.lstat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errInUse
	}
	file, err := f.dir.openFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) && f.dir.chmod(name, 0o600) == nil {
		file, err = f.dir.openFile(name, os.O_RDWR, 0) // it had its final permissions already
	}
	if err != nil {
		return err
	}
	left, err := backend.NewFile(file, os.O_RDWR, nil)
	if err != nil {
		file.Close()
		return err
	}
	defer left.Close()
	if !left.Locked() {
		return errInUse // there are no locks that would tell
	}
	// It stays locked until it is gone, so that of two runs that find it one
	// removes it.
	held, err := file.Stat()
	if err != nil {
		return err
	}
	if info, err = f.dir.lstat(name); err != nil {
		return err
	}
	if !os.SameFile(info, held) {
		return errInUse
	}
	return f.dir.remove(name)
}
