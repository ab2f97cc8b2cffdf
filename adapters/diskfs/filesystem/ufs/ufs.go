package ufs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
)

// rootIno is the inode of the root directory.
const rootIno = 2

// Open opens the UFS filesystem that fills the first size bytes of r. It returns an
// error that wraps [fstree.ErrNotThis] if there is none.
func Open(r io.ReaderAt, size int64) (*fstree.FS, error) {
	cache := fstree.NewCache(r, size, 0)
	sb, copied, err := readSuperblock(cache)
	if err != nil {
		return nil, err
	}
	e := &engine{cache: cache, sb: sb}
	e.describe(r, copied)
	return fstree.Open(e)
}

// engine implements [fstree.Engine].
type engine struct {
	cache *fstree.Cache
	sb    *superblock
	info  fstree.Info
}

// describe fills in what is known of the volume; copied is why a copy of the superblock
// is used, if one is.
func (e *engine) describe(r io.ReaderAt, copied error) {
	s := e.sb
	size := s.dataSize * s.fragSize
	e.info = fstree.Info{
		Type: fsType, Label: s.label, BlockSize: s.fragSize, Size: size, Free: min(s.freeBytes, size),
		Files: uint64(s.groups * s.perGroup), FreeFiles: uint64(s.freeFiles), Dirty: !s.clean,
	}
	switch {
	case copied != nil: // it is written when the filesystem is made
		e.info.FreeErr = fmt.Errorf("ufs: what is free is that of a copy: %w", copied)
		e.info.Notes = append(e.info.Notes, copied.Error())
	case !s.clean:
		e.info.FreeErr = errors.New("ufs: not unmounted cleanly: what is free may be out of date")
	}
	e.info.Notes = append(e.info.Notes, s.notes()...)
	// The one place that knows how blkid prints the identifier.
	sig, err := probe.Identify(r, e.cache.Size())
	if e.info.UUID = sig.UUID; err != nil && sig.UUID == "" {
		e.info.Notes = append(e.info.Notes, fmt.Sprintf("the UUID is not known: %v", err))
	}
	e.info.CutOff(s.size*s.fragSize, e.cache.Size())
}

// Info implements [fstree.Engine].
func (e *engine) Info() fstree.Info { return e.info }

// Root implements [fstree.Engine].
func (e *engine) Root() fstree.ID { return fstree.ID{Ino: rootIno} }

// Stat implements [fstree.Engine].
func (e *engine) Stat(id fstree.ID) (fstree.Stat, error) {
	in, err := e.inode(id.Ino)
	if err != nil {
		return fstree.Stat{}, err
	}
	st := fstree.Stat{
		Ino: in.num, Mode: fstree.UnixMode(in.mode), Nlink: uint64(in.nlink), UID: in.uid, GID: in.gid, Size: in.size, Blocks: in.blocks,
		Mtime: in.mtime, Atime: in.atime, Ctime: in.ctime, Btime: in.btime,
	}
	if st.Mode&fs.ModeDevice != 0 {
		st.Size = 0
		st.Major, st.Minor = in.device(e.sb)
	}
	return st, nil
}

// Readlink implements [fstree.Engine].
func (e *engine) Readlink(id fstree.ID) (string, error) {
	in, err := e.inode(id.Ino)
	if err != nil {
		return "", err
	}
	if fstree.UnixMode(in.mode).Type() != fs.ModeSymlink {
		return "", fs.ErrInvalid
	}
	if in.shortLink(e.sb) {
		return string(in.addresses[:in.size]), nil
	}
	if in.size > maxLink {
		return "", in.damaged("a link of %d bytes", in.size)
	}
	b := make([]byte, in.size)
	if n, err := e.content(in).ReadAt(b, 0); n < len(b) {
		return "", err
	}
	return string(b), nil
}

// maxLink is the longest target of a link, in bytes: MAXPATHLEN of the BSDs, less the NUL.
const maxLink = 4096

// Open implements [fstree.Engine].
func (e *engine) Open(id fstree.ID) (fstree.Content, error) {
	in, err := e.inode(id.Ino)
	if err != nil {
		return nil, err
	}
	if in.flags&flagSnapshot != 0 {
		return nil, fmt.Errorf("ufs: inode %d: a snapshot of the filesystem: %w", in.num, fstree.ErrUnsupported)
	}
	c := e.content(in)
	if fstree.MoreThanStored(c, e.sb.size*e.sb.fragSize) {
		return nil, in.damaged("more blocks than the volume has")
	}
	return c, nil
}

// Subdirs implements [fstree.SubdirCounter].
func (e *engine) Subdirs(dir fstree.ID) (uint64, bool) {
	st, err := e.Stat(dir)
	if err != nil {
		return 0, false
	}
	return fstree.SubdirsByLinks(&st)
}
