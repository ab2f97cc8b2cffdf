package qedfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/qedfs/qedfs/backend"
)

// maxChainDepth is how many backing files lie beneath an image at most.
const maxChainDepth = 16

// BackingRef is what an image says of its backing file.
type BackingRef struct {
	// Name is the file's name as the image stores it. Whoever made the image
	// chose it: a BackingFunc must take it for hostile.
	Name string

	// Raw is set when the image says that the file is raw, whatever it looks
	// like.
	Raw bool

	// Format is the format that the image states, by qemu's name. Empty means
	// that it states none: unless Raw is set the format is to be probed.
	Format string

	// CacheBytes is what the image gives away of its [Options.CacheBytes].
	CacheBytes int64

	// ForceShare is the image's [Options.ForceShare].
	ForceShare bool
}

// A BackingFunc opens the backing file of an image that is being opened. The
// image closes the Disk when it is closed itself. It may return any Disk, so
// that a caller can put formats beneath an image that this package does not
// read.
type BackingFunc func(BackingRef) (Disk, error)

// Open calls f. A nil f refuses with [ErrBackingDenied]; the errors of others
// come with the backing file's name.
func (f BackingFunc) Open(ref BackingRef) (Disk, error) {
	if f == nil {
		return nil, fmt.Errorf("%w: %q", ErrBackingDenied, ref.Name)
	}
	d, err := f(ref)
	if pe, ok := err.(*fs.PathError); ok {
		err = pe.Err // the name is told, and "statat" tells nobody anything
	}
	if err != nil {
		return nil, errorf("backing file %q: %w", ref.Name, err)
	}
	return d, nil
}

// openBacking opens the backing file if there is one. It returns what is left
// of the budget for this image's own tables.
func (m *Image) openBacking(opts *Options, budget int64) (int64, error) {
	h := m.header.Load()
	if h.BackingFile == "" {
		return budget, nil
	}
	d, err := opts.Backing.Open(BackingRef{Name: h.BackingFile, Raw: h.BackingRaw(), CacheBytes: budget / 2, ForceShare: opts.ForceShare})
	if err != nil {
		return 0, err
	}
	m.backing = d
	m.backingSize = roundUp(d.Size(), sectorSize)
	if _, cached := d.(*Image); cached {
		budget /= 2
	}
	return budget, nil
}

// SiblingBacking follows a chain of backing files inside the directory of the
// image that is named, raw or QED. It is the choice for images that are not
// trusted. It is the Backing method of [Siblings], which says more.
func SiblingBacking(imagePath string) BackingFunc { return Siblings(imagePath).Backing }

// AnyBacking is [SiblingBacking] for images that are trusted: names may lead
// anywhere. As in qemu a relative name
// starts from the directory of the image that holds it.
func AnyBacking(imagePath string) BackingFunc { return Anywhere(imagePath).Backing }

// Backing opens the file that the image names as its backing file. It is a
// [BackingFunc].
func (c *Files) Backing(ref BackingRef) (Disk, error) {
	if c.depth >= maxChainDepth {
		return nil, fmt.Errorf("%w: more than %d layers", ErrBackingLoop, maxChainDepth)
	}
	name, err := c.resolve(ref.Name)
	if err != nil {
		return nil, err
	}
	r, next, err := c.openReader(name, ref.ForceShare)
	if err != nil {
		return nil, err
	}
	disk, err := c.openDisk(r, next, ref)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return disk, nil
}

// resolve turns a name from an image into a path: below root if confined.
func (c *Files) resolve(name string) (string, error) {
	if strings.HasPrefix(name, "json:") {
		return "", fmt.Errorf("%w: a json: description", ErrBackingDenied)
	}
	if protocol, rest, ok := cutProtocol(name); ok {
		if protocol != "file" {
			return "", fmt.Errorf("%w: protocol %q", ErrBackingDenied, protocol)
		}
		name = rest
	}
	name = filepath.FromSlash(name)
	if filepath.IsAbs(name) && !c.confined {
		return name, nil
	}
	path := filepath.Join(c.dir, name)
	if filepath.IsAbs(name) {
		path = c.belowRoot(name)
	}
	if c.confined && !filepath.IsLocal(path) {
		return "", fmt.Errorf("%w: a name outside the image's directory", ErrBackingDenied)
	}
	return path, nil
}

// belowRoot returns the path below root of an absolute name that leads there, or
// an absolute path. Only the texts are compared, so that nothing is looked up
// where the name points; [os.Root] then holds to what it says.
func (c *Files) belowRoot(name string) string {
	root, err := filepath.Abs(c.root)
	if err != nil {
		return name
	}
	dirs := []string{root}
	if resolved, err := filepath.EvalSymlinks(root); err == nil {
		dirs = append(dirs, resolved)
	}
	for _, dir := range dirs {
		if path, err := filepath.Rel(dir, name); err == nil && filepath.IsLocal(path) {
			return path
		}
	}
	return name
}

// cutProtocol splits a name as qemu does: a colon before any slash ends the
// name of a protocol. A drive letter of Windows is not a protocol.
func cutProtocol(name string) (protocol, rest string, ok bool) {
	i := strings.IndexAny(name, ":/")
	if i < 0 || name[i] != ':' {
		return "", name, false
	}
	if runtime.GOOS == "windows" && i == 1 {
		return "", name, false
	}
	return name[:i], name[i+1:], true
}

// openFile opens a regular file that is not in the chain yet.
func (c *Files) openFile(name string) (*os.File, fs.FileInfo, error) {
	stat, open := os.Stat, os.OpenFile
	if c.confined {
		root, err := os.OpenRoot(c.root)
		if err != nil {
			return nil, nil, err
		}
		defer root.Close()
		stat, open = root.Stat, root.OpenFile
	}
	// Looking first keeps devices, which can do things when they are opened,
	// shut; not blocking is for a pipe that takes the file's place meanwhile.
	fi, err := stat(name)
	if err != nil {
		return nil, nil, err
	}
	if err := checkRegular(fi); err != nil {
		return nil, nil, err
	}
	f, err := open(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	fi, err = f.Stat()
	if err == nil {
		err = errors.Join(checkRegular(fi), c.checkLoop(fi))
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

func checkRegular(fi fs.FileInfo) error {
	if fi.Mode().IsRegular() {
		return nil
	}
	return fmt.Errorf("%w: not a regular file (%v)", ErrBackingDenied, fi.Mode().Type())
}

func (c *Files) checkLoop(fi fs.FileInfo) error {
	for _, above := range c.above() {
		if os.SameFile(above, fi) {
			return fmt.Errorf("%w: the file is above itself in the chain", ErrBackingLoop)
		}
	}
	return nil
}

// openDisk makes a disk of an open file, raw, QED or of a format that the
// FormatFunc reads. What it names in turn, next opens.
func (c *Files) openDisk(r backend.Reader, next *Files, ref BackingRef) (Disk, error) {
	format := ref.Format
	if ref.Raw {
		format = "raw"
	}
	if format == "" {
		var err error
		if format, err = Probe(r); err != nil {
			return nil, err
		}
	}
	switch {
	case format == "raw":
		return NewRaw(r)
	case format == "qed":
		return New(r, &Options{Backing: next.Backing, CacheBytes: ref.CacheBytes, ForceShare: ref.ForceShare})
	case c.formats != nil:
		return c.formats(format, r, next, ref)
	}
	return nil, fmt.Errorf("%w: the file is %s, which is not read here", ErrUnsupported, FormatTitle(format))
}
