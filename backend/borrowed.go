package backend

import (
	"io/fs"
	"sync/atomic"
)

// Borrowed returns s for somebody who closes what he has used, while s stays
// open: closing it ends only the use.
func Borrowed(s Storage) Storage { return &borrowed{s: s} }

type borrowed struct {
	s      Storage
	closed atomic.Bool
}

var (
	_ DataFinder  = (*borrowed)(nil)
	_ HolePuncher = (*borrowed)(nil)
	_ Allocator   = (*borrowed)(nil)
)

func (b *borrowed) check() error {
	if b.closed.Load() {
		return fs.ErrClosed
	}
	return nil
}

// Size implements [Reader].
func (b *borrowed) Size() (int64, error) {
	if err := b.check(); err != nil {
		return 0, err
	}
	return b.s.Size()
}

// ReadAt implements [io.ReaderAt].
func (b *borrowed) ReadAt(p []byte, off int64) (int, error) {
	if err := b.check(); err != nil {
		return 0, err
	}
	return b.s.ReadAt(p, off)
}

// WriteAt implements [io.WriterAt].
func (b *borrowed) WriteAt(p []byte, off int64) (int, error) {
	if err := b.check(); err != nil {
		return 0, err
	}
	return b.s.WriteAt(p, off)
}

// Truncate implements [Storage].
func (b *borrowed) Truncate(size int64) error {
	if err := b.check(); err != nil {
		return err
	}
	return b.s.Truncate(size)
}

// Sync implements [Storage].
func (b *borrowed) Sync() error {
	if err := b.check(); err != nil {
		return err
	}
	return b.s.Sync()
}

// NextData implements [DataFinder].
func (b *borrowed) NextData(off int64) (start, end int64, err error) {
	if err := b.check(); err != nil {
		return 0, 0, err
	}
	return NextData(b.s, off)
}

// PunchHole implements [HolePuncher].
func (b *borrowed) PunchHole(off, n int64) error {
	if err := b.check(); err != nil {
		return err
	}
	return PunchHole(b.s, off, n)
}

// Allocate implements [Allocator].
func (b *borrowed) Allocate(off, n int64) error {
	if err := b.check(); err != nil {
		return err
	}
	return Allocate(b.s, off, n)
}

// Close ends the use.
func (b *borrowed) Close() error {
	if b.closed.Swap(true) {
		return fs.ErrClosed
	}
	return nil
}
