package fstree

import (
	"io/fs"
	"time"
)

// Stat is everything that a filesystem says of a file, as stat(2) on Linux
// shows it. [fs.FileInfo.Sys] of every file in every tree is a *Stat.
type Stat struct {
	Ino          uint64
	Mode         fs.FileMode // type, permissions, setuid, setgid and sticky
	Nlink        uint64
	UID, GID     uint32
	Size         int64  // bytes; of a symbolic link the length of its target
	Blocks       int64  // 512-byte units that are allocated
	Major, Minor uint32 // device number of a device
	Mtime        time.Time
	Atime        time.Time // the zero Time where the filesystem keeps none, so below
	Ctime        time.Time // change of the inode
	Btime        time.Time // birth

	// What Xattrs asks; a closure would cost every listed file an allocation.
	tree *tree
	id   ID
}

// FileID tells a file apart from every other one of all trees: two names of
// one file, and no others, have equal FileIDs. It can be the key of a map.
type FileID struct {
	tree *tree
	ID   ID // within its filesystem
}

// Xattrs reads the extended attributes, by their full name as Linux shows
// them. A file without any gives an empty map.
func (s *Stat) Xattrs() (map[string][]byte, error) {
	if s.tree == nil {
		return map[string][]byte{}, nil
	}
	if s.tree.closed.Load() {
		return nil, fs.ErrClosed
	}
	m, err := s.tree.engine.Xattrs(s.id)
	if m == nil && err == nil {
		m = map[string][]byte{}
	}
	return m, err
}

// FileID returns the identity of the file.
func (s *Stat) FileID() FileID { return FileID{s.tree, s.id} }

// UnixMode turns type and permission bits as Unix stores them (st_mode) into
// an [fs.FileMode].
func UnixMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	switch mode & 0o170000 {
	case 0o010000:
		m |= fs.ModeNamedPipe
	case 0o020000:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case 0o040000:
		m |= fs.ModeDir
	case 0o060000:
		m |= fs.ModeDevice
	case 0o100000:
	case 0o120000:
		m |= fs.ModeSymlink
	case 0o140000:
		m |= fs.ModeSocket
	default:
		m |= fs.ModeIrregular
	}
	if mode&0o4000 != 0 {
		m |= fs.ModeSetuid
	}
	if mode&0o2000 != 0 {
		m |= fs.ModeSetgid
	}
	if mode&0o1000 != 0 {
		m |= fs.ModeSticky
	}
	return m
}

// UnixBits is the inverse of [UnixMode]: type and permission bits as Unix
// stores them.
func UnixBits(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	switch m.Type() {
	case 0:
		bits |= 0o100000
	case fs.ModeNamedPipe:
		bits |= 0o010000
	case fs.ModeDevice | fs.ModeCharDevice:
		bits |= 0o020000
	case fs.ModeDir:
		bits |= 0o040000
	case fs.ModeDevice:
		bits |= 0o060000
	case fs.ModeSymlink:
		bits |= 0o120000
	case fs.ModeSocket:
		bits |= 0o140000
	}
	if m&fs.ModeSetuid != 0 {
		bits |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		bits |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return bits
}

// DirentType turns the type that a directory entry states into mode bits.
// ext2, XFS and btrfs number the types alike (include/linux/fs_types.h); a
// number that they do not use is [TypeUnknown].
func DirentType(t uint8) fs.FileMode {
	switch t {
	case 1:
		return 0
	case 2:
		return fs.ModeDir
	case 3:
		return fs.ModeDevice | fs.ModeCharDevice
	case 4:
		return fs.ModeDevice
	case 5:
		return fs.ModeNamedPipe
	case 6:
		return fs.ModeSocket
	case 7:
		return fs.ModeSymlink
	}
	return TypeUnknown
}
