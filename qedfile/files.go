package qedfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/qedfs/qedfs/backend"
)

// Files says which host files an image may name: its backing file, and for
// formats that have them extents and data files. Whoever made the image chose
// the names, so that they are untrusted.
//
// [Siblings] and [Anywhere] make one. Its methods may be called concurrently.
type Files struct {
	image    string // path of the first image; empty once it is in seen
	confined bool   // nothing outside root may be opened
	root     string // directory of the first image, where confined
	dir      string // directory of the image that names the next file; below root where confined
	seen     []fs.FileInfo
	depth    int
	formats  FormatFunc

	beside func(name string) (backend.Reader, error) // opens instead of the host's directory, if not nil
	names  []string                                  // what it opened for the layers above
}

// Siblings allows the files inside the directory of the image that is named,
// by relative names or absolute ones that lead there; symbolic links and ".."
// cannot lead outside.
//
// Names that leave the directory, json: descriptions and every protocol
// (anything with a colon before the first slash) but "file:" fail with
// [ErrBackingDenied], as does whatever is not a regular file. Formats other
// than raw and QED are recognised and refused with [ErrUnsupported], unless
// the image says that the file is raw or [Files.With] adds them. More than 16
// layers, or a file that comes twice, fail with [ErrBackingLoop].
func Siblings(imagePath string) *Files {
	return &Files{image: imagePath, root: filepath.Dir(imagePath), confined: true}
}

// Anywhere is [Siblings] for images that are trusted: names may be absolute and
// lead anywhere. As in qemu a relative name starts from
// the directory of the image that holds it.
func Anywhere(imagePath string) *Files {
	return &Files{image: imagePath, dir: filepath.Dir(imagePath)}
}

// Beside is [Siblings] for an image that lies in no directory of the host: on a
// web server, in an archive. The function open opens what lies beside it, by a
// path that begins where the image lies, has slashes and does not lead out;
// image is the image's own name there.
func Beside(image string, open func(name string) (backend.Reader, error)) *Files {
	return &Files{root: ".", confined: true, beside: open, names: []string{image}}
}

// A FormatFunc opens an image of a format that this package does not read, by
// qemu's name of it, as the backing file that ref describes. What the image
// names in turn is opened by files. It owns r unless it fails. Formats that it
// does not know fail with an error that matches [ErrUnsupported].
type FormatFunc func(format string, r backend.Reader, files *Files, ref BackingRef) (Disk, error)

// With returns the same policy with more formats than raw and QED.
func (c *Files) With(formats FormatFunc) *Files {
	with := *c
	with.formats = formats
	return &with
}

// Open opens a file that the image names and that is not its backing file,
// such as the data file of a qcow2 image, by the same rules. With share it is
// read even while another process writes it.
func (c *Files) Open(name string, share bool) (backend.Reader, error) {
	path, err := c.resolve(name)
	if err != nil {
		return nil, err
	}
	r, _, err := c.openReader(path, share)
	return r, err
}

// openReader opens a file by its path, and says what is allowed to it in turn.
func (c *Files) openReader(path string, share bool) (backend.Reader, *Files, error) {
	if c.beside != nil {
		return c.openBeside(path)
	}
	f, fi, err := c.openFile(path)
	if err != nil {
		return nil, nil, err
	}
	r, err := backend.NewFile(f, os.O_RDONLY, &backend.FileOptions{ForceShare: share})
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return r, c.below(fi, path), nil
}

// openBeside is openReader for what lies in no directory of the host. The same
// name is the same file there.
func (c *Files) openBeside(path string) (backend.Reader, *Files, error) {
	name := filepath.ToSlash(path)
	if slices.Contains(c.names, name) {
		return nil, nil, fmt.Errorf("%w: the file is above itself in the chain", ErrBackingLoop)
	}
	r, err := c.beside(name)
	if err != nil {
		return nil, nil, err
	}
	next := *c
	next.dir = filepath.Dir(path)
	next.names = append(slices.Clone(c.names), name)
	next.depth++
	return r, &next, nil
}

// maxNames bounds how many names of a directory are looked at.
const maxNames = 10000

// Names returns the names of the regular files in the directory of the image,
// for formats that tell of a file only what is in it. They are sorted, and may
// be given to Open and Backing. Of a directory with more than 10,000 entries
// some are left out. Where images lie [Beside] each other the error matches
// [errors.ErrUnsupported].
func (c *Files) Names() ([]string, error) {
	if c.beside != nil {
		return nil, errorf("names beside an image that is no file: %w", errors.ErrUnsupported)
	}
	dir, err := c.openDir()
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(maxNames)
	if err != nil && err != io.EOF {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

func (c *Files) openDir() (*os.File, error) {
	if !c.confined {
		return os.Open(cmp.Or(c.dir, "."))
	}
	root, err := os.OpenRoot(c.root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.Open(cmp.Or(c.dir, "."))
}

// Allows reports, by an error that matches [ErrBackingDenied], whether a file of
// this name may be opened, without looking for it.
func (c *Files) Allows(name string) error {
	_, err := c.resolve(name)
	return err
}

// below is the policy for what a file of the chain names.
func (c *Files) below(fi fs.FileInfo, name string) *Files {
	next := *c
	next.image = ""
	next.dir = filepath.Dir(name)
	next.seen = append(c.above(), fi)
	next.depth++
	return &next
}

// above is the files of the chain so far, in a slice of its own.
func (c *Files) above() []fs.FileInfo {
	seen := c.seen[:len(c.seen):len(c.seen)]
	if c.image == "" {
		return seen
	}
	// An image that did not come from a file is in no loop.
	if fi, err := os.Stat(c.image); err == nil {
		seen = append(seen, fi)
	}
	return seen
}
