package erofs

import (
	"fmt"
	"math"
	"sync"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// boxed is the bit of an inode's number that says that the inode is in the file
// of metadata (EROFS_DIRENT_NID_METABOX_BIT).
const boxed = 1 << 63

// special is a file without a name that holds parts of others. It is opened once.
type special struct {
	e    *engine
	what string
	nid  uint64

	mu   sync.Mutex
	file fstree.Content
}

func (s *special) open() (fstree.Content, error) {
	if s.nid == 0 {
		return nil, fmt.Errorf("there is none")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		return s.file, nil
	}
	in, err := s.e.inode(s.nid)
	if err != nil {
		return nil, err
	}
	file, err := s.e.content(in)
	if err == nil {
		s.file = file
	}
	return file, err
}

// read returns n bytes of the file.
func (s *special) read(at, n int64) ([]byte, error) {
	file, err := s.open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.what, err)
	}
	if at < 0 || n < 0 || n > file.Size() || at > file.Size()-n {
		return nil, damage(s.what, -1, fmt.Sprintf("%d bytes at byte %d of %d", n, at, file.Size()))
	}
	b := make([]byte, n)
	if m, err := file.ReadAt(b, at); m < len(b) {
		return nil, fmt.Errorf("%s: %w", s.what, err)
	}
	return b, nil
}

// slots is where inodes lie and what follows them: on the volume from some byte
// on, or in the file of metadata.
type slots struct {
	e     *engine
	boxed bool
}

func (e *engine) slotsOf(nid uint64) slots { return slots{e, nid&boxed != 0} }

// at is the byte of an inode.
func (s slots) at(nid uint64) (int64, error) {
	size, from := s.e.size, s.e.meta
	if s.boxed {
		file, err := s.e.box.open()
		if err != nil {
			return 0, fmt.Errorf("%s: %w", s.e.box.what, err)
		}
		size, from = file.Size(), 0
	}
	if nid &^= boxed; nid > uint64(size)/32 || from > math.MaxInt64-int64(nid)*32 {
		return 0, damage(fmt.Sprintf("inode %d", nid), -1, "outside the volume")
	}
	return from + int64(nid)*32, nil
}

// size is how many bytes there are.
func (s slots) size() (int64, error) {
	if !s.boxed {
		return s.e.size, nil
	}
	file, err := s.e.box.open()
	if err != nil {
		return 0, err
	}
	return file.Size(), nil
}

// Bytes returns n bytes, which must not be written to.
func (s slots) Bytes(at, n int64) ([]byte, error) {
	if s.boxed {
		return s.e.box.read(at, n)
	}
	return s.e.cache.Bytes(at, n)
}
