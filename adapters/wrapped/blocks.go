package wrapped

import (
	"io"
	"io/fs"
	"sort"
	"sync/atomic"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/errs"
	"github.com/qedfs/qedfs/backend/recent"
)

const (
	maxBlockSize = 64 << 20 // bytes; a larger block is no place to read 4 KiB from
	blockBudget  = 64 << 20 // bytes of unpacked blocks that are kept, if not one alone
	maxBlocks    = 16 << 20
)

// A block is a piece of a compressed file that can be unpacked alone.
type block struct {
	packed, packedSize int64 // in the file
	off, size          int64 // of what it unpacks to
}

// blocks is a compressed file that is read in place: a block is unpacked when
// something in it is asked for. It is safe for concurrent use; those who ask for
// one block at the same time wait for one unpacking.
type blocks struct {
	r      backend.Reader
	index  []block
	size   int64
	decode func(b block) ([]byte, error) // exactly b.size bytes

	kept   *recent.Cache[int, []byte]
	closed atomic.Bool
}

func newBlocks(r backend.Reader, index []block, decode func(b block) ([]byte, error)) *blocks {
	b := &blocks{r: r, index: index, decode: decode, kept: recent.New[int, []byte](blockBudget)}
	if n := len(index); n > 0 {
		b.size = index[n-1].off + index[n-1].size
	}
	return b
}

// Size returns the unpacked size in bytes.
func (b *blocks) Size() (int64, error) {
	if b.closed.Load() {
		return 0, fs.ErrClosed
	}
	return b.size, nil
}

// Close forgets the blocks and leaves the reader beneath open.
func (b *blocks) Close() error {
	if b.closed.Swap(true) {
		return fs.ErrClosed
	}
	b.kept.Clear()
	return nil
}

// ReadAt implements [io.ReaderAt].
func (b *blocks) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errs.Errorf("wrapped", "offset %d: %w", off, fs.ErrInvalid)
	}
	if _, err := b.Size(); err != nil || len(p) == 0 {
		return 0, err
	}
	done := 0
	for done < len(p) {
		at := off + int64(done)
		if at >= b.size {
			return done, io.EOF
		}
		i := sort.Search(len(b.index), func(i int) bool { return b.index[i].off+b.index[i].size > at })
		data, err := b.block(i)
		if err != nil {
			return done, errs.Errorf("wrapped", "block %d at %d: %w", i, b.index[i].packed, err)
		}
		done += copy(p[done:], data[at-b.index[i].off:])
	}
	return done, nil
}

func (b *blocks) block(i int) ([]byte, error) {
	if b.closed.Load() {
		return nil, fs.ErrClosed
	}
	return b.kept.Get(i, b.index[i].size, func() ([]byte, error) { return b.decode(b.index[i]) })
}

// largest is the size of the largest block.
func largest(index []block) int64 {
	n := int64(0)
	for _, b := range index {
		n = max(n, b.size)
	}
	return n
}

// readExactly reads n bytes, which a file claims to have, from off on. Memory
// grows as they come.
func readExactly(r io.ReaderAt, off, n int64) ([]byte, error) {
	b, err := io.ReadAll(io.NewSectionReader(r, off, n))
	if err == nil && int64(len(b)) < n {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}
