package extract

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend/newfile"
)

// Options say what is copied. The zero value copies contents, modes without
// setuid, and times.
type Options struct {
	Force  bool // replace files that exist
	Follow bool // copy what a source that is a symbolic link leads to
	Owner  bool // give files to the users and groups that the image names
	Xattrs bool // copy extended attributes and access control lists

	// Setuid keeps setuid and setgid bits, and with Xattrs file capabilities.
	Setuid bool

	// Devices makes devices and named pipes too. Without it each of them is
	// an ErrSpecial, as a socket always is.
	Devices bool

	// Unsynced leaves the host to write the files to its disk when it likes. A
	// crash of the machine may then take back or empty what has been copied.
	Unsynced bool

	// Problem is told of each file that is left out or lacks something. If it
	// is nil, Copy returns the first of these errors.
	Problem func(path string, err error)

	// Progress is called with the bytes that have been written so far.
	Progress func(done int64)
}

var (
	// ErrExists is given to Problem for a file that is there already.
	ErrExists = errors.New("exists already")

	// ErrName is given to Problem for a name that the host cannot hold.
	ErrName = errors.New("the host cannot hold this name")

	// ErrSpecial is given to Problem for devices, pipes and sockets that are
	// not made, because Options.Devices does not ask for them or the host
	// cannot make them (a socket is made by who listens to it).
	ErrSpecial = errors.New("a device, pipe or socket, left out")
)

// Copy copies files and directories, with all below them, to dest: into it if
// it is a directory, else to that name, which a single source must have for
// itself. The root of the tree stands for all that is in it. What cannot be
// copied is told to opts.Problem, and the error is one of the whole; without a
// Problem the first of those errors are part of it. Options may be nil.
func Copy(ctx context.Context, tree fstree.Walker, sources []string, dest string, opts *Options) (err error) {
	c := &copier{
		tree: tree, parents: make(map[string]*os.Root),
		links: make(map[fstree.FileID]string), taken: make(map[string]string),
	}
	c.buffers.New = func() any { return new([copySize]byte) }
	c.writers.SetLimit(2 * runtime.GOMAXPROCS(0)) // some wait for the disk
	if opts != nil {
		c.Options = *opts
	}
	if c.Problem == nil {
		c.Problem = c.keep
		defer func() { err = errors.Join(append(c.kept, err)...) }()
	}
	root, names, err := destination(sources, dest)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	c.root = root
	if c.folds, err = foldsCase(root); err != nil {
		return err
	}
	for i, source := range sources {
		if err := c.source(ctx, source, names[i]); err != nil {
			return errors.Join(err, c.finish())
		}
	}
	return c.finish()
}

// maxKept is how many problems are kept for a caller who has no place for them.
const maxKept = 16

func (c *copier) keep(path string, err error) {
	if len(c.kept) < maxKept {
		c.kept = append(c.kept, &fs.PathError{Op: "extract", Path: path, Err: fstree.WithoutPath(err)})
	}
}

// destination opens the directory that everything goes into, and names the
// sources in it.
func destination(sources []string, dest string) (*os.Root, []string, error) {
	st, err := os.Stat(dest)
	isDir := err == nil && st.IsDir()
	whole := len(sources) == 1 && sources[0] == "."
	switch {
	case isDir:
		root, err := os.OpenRoot(dest)
		names := make([]string, len(sources))
		for i, s := range sources {
			names[i] = path.Base(s)
		}
		return root, names, err
	case len(sources) > 1:
		return nil, nil, fmt.Errorf("%s: not a directory, and there are several files to copy", dest)
	case err == nil && whole, err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, nil, &fs.PathError{Op: "copy", Path: dest, Err: errors.Join(err, errNotDir)}
	case whole:
		if err := os.Mkdir(dest, 0o777); err != nil {
			return nil, nil, err
		}
		root, err := os.OpenRoot(dest)
		return root, []string{"."}, err
	}
	dir, name := filepath.Split(filepath.Clean(dest))
	root, err := os.OpenRoot(filepath.Clean(dir + "."))
	return root, []string{fstree.EscapeName(name)}, err
}

var errNotDir = errors.New("not a directory")

// copier is one run of Copy.
type copier struct {
	Options
	tree fstree.Walker
	root *os.Root
	kept []error // problems, if nobody is told of them

	writers errgroup.Group
	buffers sync.Pool
	noRoom  atomic.Bool // the host's disk is full
	mu      sync.Mutex
	done    int64 // bytes written; guarded by mu

	written []*written          // have no names yet
	unnamed int64               // bytes in these
	parents map[string]*os.Root // directories that these are in

	links    map[fstree.FileID]string // files with several names that this run wrote, to one of them
	symlinks []deferred
	dirs     []deferred

	folds bool              // the host takes names for the same that differ in case
	taken map[string]string // if so: folded names to what took them
}

// deferred is what is left to do for a file when the others are there.
type deferred struct {
	source string // in the tree
	name   string // on the host
	target string // of a symbolic link
	stat   *fstree.Stat
}

// source copies one argument. Only an error that ends everything is returned.
func (c *copier) source(ctx context.Context, source, name string) error {
	info, err := c.tree.Lstat(source)
	if err == nil && info.Mode().Type() == fs.ModeSymlink && c.Follow {
		info, err = c.tree.Stat(source)
	}
	if err != nil {
		c.Problem(source, err)
		return nil
	}
	// A walk follows its root.
	if info.Mode().Type() == fs.ModeSymlink {
		if name, err = hostPath(name); err == nil {
			err = c.symlink(&deferred{source: source, name: name, stat: info.Sys().(*fstree.Stat)}, c.tree.ReadLink)
		}
		if err != nil {
			c.Problem(source, err)
		}
		return nil
	}
	for e, err := range c.tree.Walk(ctx, source, &fstree.WalkOptions{Stat: true}) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			c.Problem(e.Path, err)
			continue
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(e.Path, source), "/")
		if source == "." {
			rel = e.Path
		}
		if err := c.entry(ctx, e, path.Join(name, rel)); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if isFull(err) {
				return full(e.Path, err)
			}
			c.Problem(e.Path, err)
			e.Skip = true // no place for what is in it
		}
	}
	return ctx.Err()
}

// entry copies one file. The name is in the form of the tree.
func (c *copier) entry(ctx context.Context, e *fstree.WalkEntry, name string) error {
	if e.Path == "." {
		return nil
	}
	st, err := e.Stat()
	if err != nil {
		return err
	}
	if name, err = hostPath(name); err != nil {
		return err
	}
	if err := c.collide(name); err != nil {
		return err
	}
	d := deferred{source: e.Path, name: name, stat: st}
	if st.Mode.IsDir() {
		return c.directory(d)
	}
	if st.Mode.Type() == fs.ModeSymlink {
		return c.symlink(&d, func(string) (string, error) { return e.ReadLink() })
	}
	if linked, err := c.linked(&d); linked || err != nil {
		return err
	}
	if !st.Mode.IsRegular() {
		return c.special(&d)
	}
	return c.file(ctx, e, &d)
}

// copied remembers a file that this run has made, for its further names.
func (c *copier) copied(d *deferred) {
	if d.stat.Nlink > 1 {
		c.links[d.stat.FileID()] = d.name
	}
}

// linked makes a further name of a file that this run has made. Where the host
// has no hard links, the file is copied again.
func (c *copier) linked(d *deferred) (bool, error) {
	if d.stat.Nlink < 2 {
		return false, nil
	}
	id := d.stat.FileID()
	if slices.ContainsFunc(c.written, func(w *written) bool { return w.stat.FileID() == id }) {
		if err := c.commit(); err != nil {
			return false, err
		}
	}
	first, ok := c.links[id]
	if !ok {
		return false, nil
	}
	if err := c.makeRoom(d.name); err != nil {
		return false, err
	}
	return c.root.Link(first, d.name) == nil, nil
}

// makeRoom makes sure that nothing has a name: with Force it removes what is
// there, unless it is a directory.
func (c *copier) makeRoom(name string) error {
	st, err := c.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !c.Force:
		return ErrExists
	case st.IsDir():
		return fmt.Errorf("%w, as a directory", ErrExists)
	}
	return c.root.Remove(name)
}

// directory makes a directory that only its owner can use until it is
// finished. One that is there is filled further.
func (c *copier) directory(d deferred) error {
	st, err := c.root.Lstat(d.name)
	if err == nil && st.IsDir() {
		return nil // its mode and times are the host's
	}
	if err == nil {
		err = c.makeRoom(d.name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := c.root.Mkdir(d.name, 0o700); err != nil {
		return err
	}
	c.dirs = append(c.dirs, d)
	return nil
}

// symlink puts a symbolic link off until everything else is there.
func (c *copier) symlink(d *deferred, read func(string) (string, error)) error {
	target, err := read(d.source)
	if err != nil {
		return err
	}
	d.target = target
	c.symlinks = append(c.symlinks, *d)
	return nil
}

// finish names the last files, makes the symbolic links, and then gives the
// directories, the deepest first, their modes and times.
func (c *copier) finish() error {
	noRoom := c.commit()
	for i := range c.symlinks {
		d := &c.symlinks[i]
		if err := c.makeLink(d); err != nil {
			c.Problem(d.source, fstree.WithoutPath(err))
		}
	}
	for i := len(c.dirs) - 1; i >= 0; i-- {
		d := &c.dirs[i]
		if err := c.finishDirectory(d); err != nil {
			c.Problem(d.source, fstree.WithoutPath(err))
		}
	}
	return errors.Join(noRoom, c.syncTop())
}

// makeLink makes a symbolic link, or a further name of one.
func (c *copier) makeLink(d *deferred) error {
	if linked, err := c.linked(d); linked || err != nil {
		return err
	}
	if err := c.makeRoom(d.name); err != nil {
		return err
	}
	if err := c.root.Symlink(filepath.FromSlash(d.target), d.name); err != nil {
		return err
	}
	c.copied(d)
	return c.linkAttributes(d)
}

// syncDir makes the names in a directory durable.
func (c *copier) syncDir(dir *os.File) error {
	if c.Unsynced {
		return nil
	}
	return newfile.SyncDir(dir)
}

// syncTop does so for the directory that everything went into.
func (c *copier) syncTop() error {
	dir, err := c.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(c.syncDir(dir), dir.Close())
}

func (c *copier) finishDirectory(d *deferred) error {
	f, err := c.root.Open(d.name)
	if err != nil {
		return err
	}
	defer f.Close()
	return errors.Join(c.attributes(f, d), c.times(c.root, d.name, d.stat), c.syncDir(f))
}

// times restores the times of a file, or of a symbolic link itself.
func (c *copier) times(dir *os.Root, name string, st *fstree.Stat) error {
	if st.Mtime.IsZero() {
		return nil
	}
	atime := st.Atime
	if atime.IsZero() { // the filesystem keeps none
		atime = st.Mtime
	}
	return setTimes(dir, name, atime, st.Mtime)
}

// mode is what a file may keep of its permissions.
func (c *copier) mode(st *fstree.Stat) fs.FileMode {
	m := st.Mode & (fs.ModePerm | fs.ModeSticky)
	if c.Setuid {
		m |= st.Mode & (fs.ModeSetuid | fs.ModeSetgid)
	}
	return m
}

// attributes restores what can be said of an open file, in this order: a
// change of owner takes setuid and capabilities away, and a file that may not
// be written takes no attributes.
func (c *copier) attributes(f *os.File, d *deferred) error {
	var errs []error
	if c.Owner {
		errs = append(errs, f.Chown(int(d.stat.UID), int(d.stat.GID)))
	}
	if c.Xattrs {
		errs = append(errs, c.xattrs(d, func(name string, value []byte) error { return setXattr(f, name, value) }))
	}
	return errors.Join(append(errs, f.Chmod(c.mode(d.stat)))...)
}

// xattrs copies the extended attributes that may be copied.
func (c *copier) xattrs(d *deferred, set func(string, []byte) error) error {
	xattrs, err := d.stat.Xattrs()
	for name, value := range xattrs {
		if name == "security.capability" && !c.Setuid {
			continue // more than setuid is
		}
		if e := set(name, value); e != nil {
			err = errors.Join(err, fmt.Errorf("attribute %q: %w", name, e))
		}
	}
	return err
}

// linkAttributes restores owner, attributes and times of a symbolic link
// itself.
func (c *copier) linkAttributes(d *deferred) error {
	var errs []error
	if c.Owner {
		errs = append(errs, c.root.Lchown(d.name, int(d.stat.UID), int(d.stat.GID)))
	}
	if c.Xattrs {
		errs = append(errs, c.xattrs(d, func(name string, value []byte) error { return setLinkXattr(c.root, d.name, name, value) }))
	}
	return errors.Join(append(errs, c.times(c.root, d.name, d.stat))...)
}

// special makes a device or a pipe, if that is asked for.
func (c *copier) special(d *deferred) error {
	if !c.Devices || d.stat.Mode.Type() == fs.ModeSocket {
		return ErrSpecial
	}
	if err := c.makeRoom(d.name); err != nil {
		return err
	}
	if err := makeNode(c.root, d.name, d.stat); err != nil {
		return err
	}
	c.copied(d)
	var errs []error
	if c.Owner {
		errs = append(errs, c.root.Lchown(d.name, int(d.stat.UID), int(d.stat.GID)))
	}
	return errors.Join(append(errs, c.root.Chmod(d.name, c.mode(d.stat)), c.times(c.root, d.name, d.stat))...)
}

// full returns the error that ends a copy if there was no room for a file.
func full(source string, err error) error {
	for _, errno := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		if errors.Is(err, errno) {
			err = errno
		}
	}
	return &fs.PathError{Op: "copy", Path: source, Err: err}
}

// isFull reports whether the host's disk is full, or the user's share of it:
// every further file would fail in the same way.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
