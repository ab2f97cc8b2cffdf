package foreign

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"github.com/diskfs/go-diskfs/backend"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// What one call of a parser may read. It is far more than any sound
// filesystem needs for one directory or one read of a file, and ends a parser
// that goes round in circles on a damaged one.
const (
	maxReads = 100_000
	maxBytes = 512 << 20
)

// meter is a volume as a parser reads it: from its own offset 0, within its
// size, and not without end. It is a read-only storage of go-diskfs.
type meter struct {
	r     io.ReaderAt
	size  int64
	pos   int64 // of Read and Seek
	reads atomic.Int64
	bytes atomic.Int64
}

var _ backend.Storage = (*meter)(nil)

func newMeter(r io.ReaderAt, size int64) *meter { return &meter{r: r, size: size} }

// reset begins a new call.
func (m *meter) reset() {
	m.reads.Store(0)
	m.bytes.Store(0)
}

// ReadAt gives no error with all the bytes asked for, as go-diskfs takes an
// io.EOF at the end of the volume for a failure.
func (m *meter) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > m.size {
		return 0, fmt.Errorf("read at %d, outside the volume: %w", off, fstree.ErrDamaged)
	}
	if m.reads.Add(1) > maxReads || m.bytes.Add(int64(len(p))) > maxBytes {
		return 0, fmt.Errorf("gave up after %d reads of one structure: %w", maxReads, fstree.ErrDamaged)
	}
	whole := p[:min(int64(len(p)), m.size-off)]
	n, err := m.r.ReadAt(whole, off)
	if n == len(whole) {
		err = nil
		if len(whole) < len(p) {
			err = io.EOF
		}
	}
	return n, err
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.ReadAt(p, m.pos)
	m.pos += int64(n)
	return n, err
}

func (m *meter) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += m.pos
	case io.SeekEnd:
		offset += m.size
	}
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	m.pos = offset
	return offset, nil
}

func (m *meter) Stat() (fs.FileInfo, error)              { return meterInfo{m.size}, nil }
func (m *meter) Close() error                            { return nil }
func (m *meter) Path() string                            { return "" }
func (m *meter) Sys() (*os.File, error)                  { return nil, backend.ErrNotSuitable }
func (m *meter) Writable() (backend.WritableFile, error) { return nil, backend.ErrIncorrectOpenMode }

type meterInfo struct{ size int64 }

func (i meterInfo) Name() string       { return "volume" }
func (i meterInfo) Size() int64        { return i.size }
func (i meterInfo) Mode() fs.FileMode  { return 0o444 }
func (i meterInfo) ModTime() time.Time { return time.Time{} }
func (i meterInfo) IsDir() bool        { return false }
func (i meterInfo) Sys() any           { return nil }
