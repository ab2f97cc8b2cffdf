package fstree

import (
	"fmt"
	"io"
	"io/fs"
	"iter"
)

// Engine is a reader of one kind of filesystem. It knows nothing of paths:
// it maps identities to what is stored for them, and [New] makes an fs.FS of
// that. All methods are safe for concurrent use, and none writes.
//
// Damage is reported as a [*DamageError], for the damaged part alone.
type Engine interface {
	// Info describes the filesystem as a whole.
	Info() Info

	// Root returns the root directory.
	Root() ID

	// ReadDir yields a directory's entries in stored order, without "."
	// and "..". It reads no inode. It is a stream: a large directory is
	// never held whole. An error concerns only a part of the directory;
	// the engine goes on after it where it can.
	ReadDir(dir ID) iter.Seq2[Entry, error]

	// Lookup finds one entry by its stored name, with [fs.ErrNotExist] if
	// there is none. How names match (case, normalization) is the
	// filesystem's business.
	Lookup(dir ID, name string) (Entry, error)

	// Stat returns everything that an inode says but its attributes.
	Stat(id ID) (Stat, error)

	// Readlink returns a symbolic link's target as stored.
	Readlink(id ID) (string, error)

	// Open returns the contents of a regular file.
	Open(id ID) (Content, error)

	// Xattrs returns the extended attributes by their full name
	// ("user.mime_type", "system.posix_acl_access") as Linux shows them.
	Xattrs(id ID) (map[string][]byte, error)
}

// ID identifies a file within its filesystem, whatever names it has. Ino is
// the inode number where the filesystem has them, else whatever its engine
// finds the file by; Tree tells apart number spaces (subvolumes, streams).
type ID struct {
	Tree, Ino uint64
}

// TypeUnknown is the [Entry.Type] of a directory that stores no types; the
// inode has to be asked.
const TypeUnknown = ^fs.FileMode(0)

// Entry is a directory's entry.
type Entry struct {
	Name string      // bytes as stored
	ID   ID          // what it leads to
	Type fs.FileMode // type bits alone, or TypeUnknown
}

// Content is the contents of a regular file.
type Content interface {
	// ReadAt reads file bytes; holes and unwritten extents read as zeroes.
	io.ReaderAt
	// Size is the file's length in bytes.
	Size() int64
	// Extents yields the runs that make up [off, off+n) in order and
	// without gaps, cut at the end of the file.
	Extents(off, n int64) iter.Seq2[Extent, error]
}

// Extent is a run of a file's bytes.
type Extent struct {
	Start  int64 // first byte in the file
	Length int64 // bytes, at least 1
	Hole   bool  // reads as zeroes and has no bytes stored, or unwritten ones
	Offset int64 // where the bytes lie on the volume as they are, else -1 (a hole, compressed, inline)
}

// Info describes a filesystem.
type Info struct {
	Type      string // as blkid and mount name it: ext4, xfs, vfat, ...
	Label     string
	UUID      string // as blkid prints it
	BlockSize int64  // bytes, the unit of allocation
	Size      int64  // bytes that hold files and metadata, as statfs's f_blocks counts them
	Free      int64  // bytes free
	Files     uint64 // inodes, 0 where they are not counted
	FreeFiles uint64
	FreeErr   error    // why Free and FreeFiles are not known, or may be out of date; nil where they are known
	Dirty     bool     // not unmounted cleanly
	Notes     []string // what a user should know: "journal replayed in memory", ...
	Missing   string   // that of the notes which says that devices it lies on too were not given, or ""
}

// FormatUUID prints a UUID in the usual groups.
func FormatUUID(u [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
