// Package mounted shows the tree of an image as a filesystem of the host, or its
// disk and volumes as files, by FUSE, for reading. It works on Linux of 64 bits and, with macFUSE, on macOS.
//
// Everything is as the tree has it: types, modes, owners, devices, times,
// extended attributes, links, holes (SEEK_DATA and SEEK_HOLE). Inode numbers
// are the stored ones where a single volume is mounted; those of further
// volumes are told apart by their upper bits. A file that is damaged is EIO, and
// so is a volume that cannot be opened; neither is ever ENOENT.
package mounted

import (
	"errors"
	iofs "io/fs"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/guest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/qedfile"
)

// ErrNoFUSE is returned by Mount on a system without FUSE.
var ErrNoFUSE = errors.New("mounting needs FUSE, which this system does not have; 'qed cp' and 'qed serve' work everywhere")

// DiskFile is a disk that is shown as a file.
type DiskFile struct {
	Name string
	Disk qedfile.Disk // its holes are known where it is a [qedfile.Mapper]
}

// Tree is what can be mounted: the tree of a disk, or a [Guest].
type Tree interface {
	iofs.StatFS
	iofs.ReadDirFS
	iofs.ReadLinkFS

	// Locate is [imagefs.Tree.Locate].
	Locate(name string) (fsys *fstree.FS, rest string, err error)
}

var (
	_ Tree = (*imagefs.Tree)(nil)
	_ Tree = Guest{}
)

// Guest is the root of a guest as a [Tree].
type Guest struct{ *guest.Root }

// Locate says in which filesystem a file lies.
func (g Guest) Locate(name string) (*fstree.FS, string, error) {
	at, err := g.Root.Locate(name)
	return at.FS, at.Path, err
}

// Options say what is mounted, and how.
type Options struct {
	// Disks, if set, are mounted as files, in place of a tree.
	Disks []DiskFile

	Tree    Tree
	Root    string           // directory of the tree that is mounted
	Volumes []imagefs.Volume // that the tree has on top
	Source  string           // what mount(8) shows as the device

	// Others lets other users see the mount. The kernel then checks
	// permissions; without it, whoever mounts can read everything.
	Others bool

	// Ready is called when the files can be seen.
	Ready func()

	// Problem is told why a call failed, where its error number says little.
	// It is called from many goroutines.
	Problem func(path string, err error)
}
