package wrapped

import (
	"container/list"
	"fmt"
	"github.com/qedfs/qedfs/backend/errs"
	"io"
	"io/fs"
	"sort"
	"sync"

	"github.com/qedfs/qedfs/backend"
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

	mu     sync.Mutex
	closed bool
	kept   map[int]*keptBlock
	used   *list.List // of *keptBlock, the last used in front
	bytes  int64
}

type keptBlock struct {
	i     int
	once  sync.Once
	data  []byte
	err   error
	place *list.Element
}

func newBlocks(r backend.Reader, index []block, decode func(b block) ([]byte, error)) *blocks {
	b := &blocks{r: r, index: index, decode: decode, kept: make(map[int]*keptBlock), used: list.New()}
	if n := len(index); n > 0 {
		b.size = index[n-1].off + index[n-1].size
	}
	return b
}

// Size returns the unpacked size in bytes.
func (b *blocks) Size() (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, fs.ErrClosed
	}
	return b.size, nil
}

// Close forgets the blocks and leaves the reader beneath open.
func (b *blocks) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return fs.ErrClosed
	}
	b.closed = true
	clear(b.kept)
	b.used.Init()
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
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil, fs.ErrClosed
	}
	k := b.kept[i]
	if k == nil {
		k = &keptBlock{i: i}
		k.place = b.used.PushFront(k)
		b.kept[i] = k
		b.bytes += b.index[i].size
		for b.bytes > blockBudget && b.used.Len() > 1 {
			b.drop(b.used.Back().Value.(*keptBlock))
		}
	} else {
		b.used.MoveToFront(k.place)
	}
	b.mu.Unlock()
	k.once.Do(func() {
		k.err = fmt.Errorf("%w: decoding did not return", ErrDamaged)
		k.data, k.err = b.decode(b.index[i])
	})
	if k.err != nil {
		b.mu.Lock()
		if b.kept[i] == k {
			b.drop(k)
		}
		b.mu.Unlock()
	}
	return k.data, k.err
}

// drop forgets a block. The lock is held.
func (b *blocks) drop(k *keptBlock) {
	b.used.Remove(k.place)
	delete(b.kept, k.i)
	b.bytes -= b.index[k.i].size
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
