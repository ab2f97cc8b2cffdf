package writable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/diskfs/go-diskfs/filesystem"
	"github.com/diskfs/go-diskfs/filesystem/ext4"
	"github.com/diskfs/go-diskfs/filesystem/fat12"
	"github.com/diskfs/go-diskfs/filesystem/fat16"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
)

var (
	// ErrRefused is matched by the error of every change that go-diskfs
	// would make wrongly. The error that wraps it says what.
	ErrRefused = errors.New("writable: go-diskfs does not do this correctly")

	// ErrNoSpace is returned when a change does not fit into the volume.
	ErrNoSpace = errors.New("writable: no space left on the volume")

	// ErrFailed is returned by every change after one has failed in
	// go-diskfs: what the volume holds is not known any more.
	ErrFailed = errors.New("writable: an earlier change failed")
)

// FS is a FAT filesystem of go-diskfs that is safe to write.
type FS struct {
	engine filesystem.FileSystem
	fat    *volume

	mu     sync.Mutex // one change or look at a time
	failed error
}

var _ filesystem.FileSystem = (*FS)(nil)

// New makes a filesystem of go-diskfs safe to write: a FAT12, FAT16 or FAT32
// on a disk that can be written. Everything else is refused.
func New(fsys filesystem.FileSystem) (*FS, error) {
	var fat *volume
	var err error
	switch f := fsys.(type) {
	case *FS:
		return f, nil
	case *fat32.FileSystem:
		fat, err = newVolume(f.Backend(), f.Start())
	case *fat16.FileSystem:
		fat, err = newVolume(f.Backend(), f.Start())
	case *fat12.FileSystem:
		fat, err = newVolume(f.Backend(), f.Start())
	case *ext4.FileSystem:
		err = fmt.Errorf("%w: writing into an ext4", ErrRefused)
	default:
		err = fmt.Errorf("%w: writing into a %T", ErrRefused, fsys)
	}
	if err != nil {
		return nil, err
	}
	return &FS{engine: fsys, fat: fat}, nil
}

// change makes one change: checks, lets go-diskfs do it, mends. After a
// failure in go-diskfs nothing more is changed.
func (w *FS) change(op, name string, check func() error, do func() error) (err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() {
		if err != nil {
			err = &fs.PathError{Op: op, Path: name, Err: err}
		}
	}()
	if w.failed != nil {
		return fmt.Errorf("%w: %w", ErrFailed, w.failed)
	}
	if !fs.ValidPath(name) {
		return fs.ErrInvalid
	}
	if err := check(); err != nil {
		return err
	}
	w.failed = guarded(func() error {
		if err := do(); err != nil {
			return err
		}
		return w.fat.mend()
	})
	return w.failed
}

// guarded makes a panic of go-diskfs an error.
func guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("go-diskfs panicked: %v", r)
		}
	}()
	return f()
}

// stat describes what is there before a change; nil if nothing is. The
// directory that the name is in must be there.
func (w *FS) stat(name string) (fs.FileInfo, error) {
	r, err := w.fat.reader()
	if err != nil {
		return nil, err
	}
	if name != "." {
		dir, err := r.Stat(path.Dir(name))
		if err != nil {
			return nil, bare(err)
		}
		if !dir.IsDir() {
			return nil, errNotDir
		}
	}
	info, err := r.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return info, bare(err)
}

// bare takes an error out of the PathError of an inner call.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

func (w *FS) Mkdir(name string) error {
	check := func() error {
		info, err := w.stat(name)
		if err != nil {
			return err
		}
		if info != nil {
			return fs.ErrExist
		}
		if err := checkName(path.Base(name)); err != nil {
			return err
		}
		return w.fat.room(path.Dir(name), path.Base(name), 1, 0)
	}
	return w.change("mkdir", name, check, func() error { return w.engine.Mkdir(name) })
}

// Rename gives a file or directory another name in the same directory.
func (w *FS) Rename(oldName, newName string) error {
	check := func() error {
		info, err := w.stat(oldName)
		if err != nil {
			return err
		}
		if info == nil {
			return fs.ErrNotExist
		}
		if !fs.ValidPath(newName) || path.Dir(oldName) != path.Dir(newName) {
			return fmt.Errorf("%w: moving to another directory", ErrRefused)
		}
		if info, err = w.stat(newName); err != nil {
			return err
		}
		if info != nil {
			return fmt.Errorf("%w: renaming onto what is there", ErrRefused)
		}
		if strings.EqualFold(path.Base(oldName), path.Base(newName)) {
			return fmt.Errorf("%w: changing the case of a name", ErrRefused)
		}
		if err := checkName(path.Base(newName)); err != nil {
			return err
		}
		return w.fat.room(path.Dir(newName), path.Base(newName), 0, 0)
	}
	return w.change("rename", oldName, check, func() error { return w.engine.Rename(oldName, newName) })
}

// Remove is refused: go-diskfs does not free what it removes.
func (w *FS) Remove(name string) error {
	return &fs.PathError{Op: "remove", Path: name, Err: fmt.Errorf("%w: removing", ErrRefused)}
}

// Chtimes sets creation, access and modification time. FAT knows the years
// from 1980 to 2107.
func (w *FS) Chtimes(name string, ctime, atime, mtime time.Time) error {
	check := func() error {
		for _, t := range [...]time.Time{ctime, atime, mtime} {
			if t.Year() < 1980 || t.Year() > 2107 {
				return fmt.Errorf("a time in the year %d, which FAT does not have: %w", t.Year(), fs.ErrInvalid)
			}
		}
		info, err := w.stat(name)
		if err == nil && info == nil {
			err = fs.ErrNotExist
		}
		return err
	}
	return w.change("chtimes", name, check, func() error { return w.engine.Chtimes(name, ctime, atime, mtime) })
}

// missing is the error of what FAT does not have.
func missing(op, name, what string) error {
	return &fs.PathError{Op: op, Path: name, Err: fmt.Errorf("FAT has no %s: %w", what, errors.ErrUnsupported)}
}

func (w *FS) Chmod(name string, _ os.FileMode) error { return missing("chmod", name, "permissions") }
func (w *FS) Chown(name string, _, _ int) error      { return missing("chown", name, "owners") }
func (w *FS) Link(_, newName string) error           { return missing("link", newName, "links") }
func (w *FS) Symlink(_, newName string) error        { return missing("symlink", newName, "symbolic links") }

func (w *FS) Mknod(name string, _ uint32, _ int) error { return missing("mknod", name, "devices") }

func (w *FS) Type() filesystem.Type { return w.engine.Type() }
func (w *FS) Label() string         { return w.engine.Label() }

// SetLabel sets the volume's label.
func (w *FS) SetLabel(label string) error {
	return w.change("label", ".", func() error { return nil }, func() error { return w.engine.SetLabel(label) })
}

// Close closes the filesystem of go-diskfs. The disk stays open.
func (w *FS) Close() error { return w.engine.Close() }
