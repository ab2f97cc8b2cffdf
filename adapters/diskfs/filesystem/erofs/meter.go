package erofs

import (
	"fmt"
	"io"
	"sync/atomic"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// What one call of go-erofs may read. It is far more than any sound volume
// needs for one directory or one read of a file.
const (
	maxReads = 100_000
	maxBytes = 512 << 20
)

// meter is a volume as go-erofs reads it: within its size, and not without
// end.
type meter struct {
	r     io.ReaderAt
	cache *fstree.Cache // over r: go-erofs reads each inode and entry by itself
	size  int64
	reads atomic.Int64
	bytes atomic.Int64
}

// reset begins a new call.
func (m *meter) reset() {
	m.reads.Store(0)
	m.bytes.Store(0)
}

func (m *meter) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > m.size {
		return 0, fmt.Errorf("read at %d, outside the volume: %w", off, fstree.ErrDamaged)
	}
	if m.reads.Add(1) > maxReads || m.bytes.Add(int64(len(p))) > maxBytes {
		return 0, fmt.Errorf("gave up after %d reads for one answer: %w", maxReads, fstree.ErrDamaged)
	}
	whole := p[:min(int64(len(p)), m.size-off)]
	n, err := m.cache.ReadAt(whole, off)
	if n == len(whole) {
		err = nil
		if n < len(p) {
			err = io.EOF
		}
	}
	return n, err
}
