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
	// like. Otherwise its format is to be found out.
	Raw bool

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

// openBacking opens the backing file if there is one. It returns what is left
// of the budget for this image's own tables.
func (m *Image) openBacking(opts *Options, budget int64) (int64, error) {
	h := m.header.Load()
	if h.BackingFile == "" {
		return budget, nil
	}
	if opts.Backing == nil {
		return 0, fmt.Errorf("%w: %q", ErrBackingDenied, h.BackingFile)
	}
	d, err := opts.Backing(BackingRef{Name: h.BackingFile, Raw: h.BackingRaw(), CacheBytes: budget / 2, ForceShare: opts.ForceShare})
	if pe, ok := err.(*fs.PathError); ok {
		err = pe.Err // the name is told, and "statat" tells nobody anything
	}
	if err != nil {
		return 0, fmt.Errorf("qedfile: backing file %q: %w", h.BackingFile, err)
	}
	m.backing = d
	m.backingSize = roundUp(d.Size(), sectorSize)
	if _, cached := d.(*Image); cached {
		budget /= 2
	}
	return budget, nil
}

// SiblingBacking follows a chain of backing files inside the directory of the
// image that is named: plain relative names, which symbolic links and ".."
// cannot lead outside, raw or QED. It is the choice for images that are not
// trusted.
//
// Absolute names and those that leave the directory, json: descriptions and
// every protocol (anything with a colon before the first slash) fail with
// [ErrBackingDenied], as does whatever is not a regular file. Formats other
// than raw and QED are recognised and refused with [ErrUnsupported], unless
// the image says that the file is raw. More than 16 layers, or a file that
// comes twice, fail with [ErrBackingLoop].
func SiblingBacking(imagePath string) BackingFunc {
	c := &chain{root: filepath.Dir(imagePath), confined: true}
	return c.begin(imagePath)
}

// AnyBacking is [SiblingBacking] for images that are trusted: names may be
// absolute, lead anywhere and begin with "file:". As in qemu a relative name
// starts from the directory of the image that holds it.
func AnyBacking(imagePath string) BackingFunc {
	c := &chain{dir: filepath.Dir(imagePath)}
	return c.begin(imagePath)
}

// A chain opens one backing file after the other.
type chain struct {
	confined bool          // nothing outside root may be opened
	root     string        // directory of the first image, of a confined chain
	dir      string        // directory of the image that names the next file, below root if confined
	seen     []fs.FileInfo // the files above
	depth    int
}

func (c *chain) begin(imagePath string) BackingFunc {
	return func(ref BackingRef) (Disk, error) {
		top := *c
		// An image that did not come from a file is in no loop.
		if fi, err := os.Stat(imagePath); err == nil {
			top.seen = []fs.FileInfo{fi}
		}
		return top.open(ref)
	}
}

// open is the BackingFunc of the image above.
func (c *chain) open(ref BackingRef) (Disk, error) {
	if c.depth >= maxChainDepth {
		return nil, fmt.Errorf("%w: more than %d layers", ErrBackingLoop, maxChainDepth)
	}
	name, err := c.resolve(ref.Name)
	if err != nil {
		return nil, err
	}
	f, fi, err := c.openFile(name)
	if err != nil {
		return nil, err
	}
	disk, err := c.openDisk(f, fi, name, ref)
	if err != nil {
		f.Close()
		return nil, err
	}
	return disk, nil
}

// resolve turns a name from an image into a path: below root if confined.
func (c *chain) resolve(name string) (string, error) {
	if strings.HasPrefix(name, "json:") {
		return "", fmt.Errorf("%w: a json: description", ErrBackingDenied)
	}
	if protocol, rest, ok := cutProtocol(name); ok {
		if protocol != "file" || c.confined {
			return "", fmt.Errorf("%w: protocol %q", ErrBackingDenied, protocol)
		}
		name = rest
	}
	name = filepath.FromSlash(name)
	if filepath.IsAbs(name) && !c.confined {
		return name, nil
	}
	if filepath.IsAbs(name) {
		return "", fmt.Errorf("%w: an absolute name", ErrBackingDenied)
	}
	path := filepath.Join(c.dir, name)
	if c.confined && !filepath.IsLocal(path) {
		return "", fmt.Errorf("%w: a name outside the image's directory", ErrBackingDenied)
	}
	return path, nil
}

// cutProtocol splits a name as qemu does: a colon before any slash ends the
// name of a protocol. A drive letter of Windows is none.
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
func (c *chain) openFile(name string) (*os.File, fs.FileInfo, error) {
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

func (c *chain) checkLoop(fi fs.FileInfo) error {
	for _, above := range c.seen {
		if os.SameFile(above, fi) {
			return fmt.Errorf("%w: the file is above itself in the chain", ErrBackingLoop)
		}
	}
	return nil
}

// openDisk makes a disk of an open file: QED, whose own backing file the next
// link of the chain opens, or raw.
func (c *chain) openDisk(f *os.File, fi fs.FileInfo, name string, ref BackingRef) (Disk, error) {
	r, err := backend.NewFile(f, os.O_RDONLY, &backend.FileOptions{ForceShare: ref.ForceShare})
	if err != nil {
		return nil, err
	}
	format := "raw"
	if !ref.Raw {
		if format, err = probe(r); err != nil {
			return nil, err
		}
	}
	switch format {
	case "raw":
		return NewRaw(r)
	case "qed":
		next := *c
		next.dir = filepath.Dir(name)
		next.seen = append(c.seen[:len(c.seen):len(c.seen)], fi)
		next.depth++
		return New(r, &Options{Backing: next.open, CacheBytes: ref.CacheBytes, ForceShare: ref.ForceShare})
	}
	return nil, fmt.Errorf("%w: the file looks like %s, which is not read here", ErrUnsupported, format)
}
