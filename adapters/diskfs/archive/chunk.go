package archive

import (
	"context"
	"errors"
	"fmt"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend"
)

// queueChunks queues a file in pieces.
func (s *stream) queueChunks(ctx context.Context, m *member) error {
	f := m.file
	m.file = nil
	runs := []run{{0, m.head.size}}
	holes, err := findHoles(f, m.head.size)
	if err != nil {
		return s.queue(ctx, &problem{m.path, errors.Join(err, f.Close())})
	}
	if holes != nil {
		runs, m.sparse = holes.runs, holes.encode()
		m.head.holes, m.head.size = holes, int64(len(m.sparse))+holes.stored()
	}
	stored := m.head.size
	if err := s.queueMember(ctx, m); err != nil {
		return err
	}
	if err := s.queueBatch(ctx); err != nil {
		return err
	}
	lost := new(zeroed)
	for _, r := range runs {
		for r.n > 0 {
			c := &chunk{file: f, lost: lost, off: r.off, n: int(min(r.n, bufferSize))}
			if c.buf, err = s.takeBuffer(ctx); err != nil {
				return err
			}
			if err := s.queue(ctx, c); err != nil {
				return err
			}
			r.off, r.n = r.off+int64(c.n), r.n-int64(c.n)
		}
	}
	return s.queue(ctx, &end{path: m.path, file: f, stored: stored, lost: lost})
}

// zeroed is what of a file cannot be read, and is zeroes in the archive: the
// header has told how long the file is.
type zeroed struct {
	bytes int64
	first int64 // where the first of them is
	err   error // why it is not there
}

// chunk is a piece of the contents of a file.
type chunk struct {
	file fstree.File
	lost *zeroed // of the file
	off  int64
	n    int
	buf  *buffer
	err  error
}

func (c *chunk) load(*stream) {
	if _, c.err = backend.ReadFull(c.file, c.buf[:c.n], c.off); c.err != nil {
		clear(c.buf[:c.n])
	}
}

// write writes the chunk. One that cannot be read is zeroes.
func (c *chunk) write(s *stream) error {
	defer func() { s.free <- c.buf }()
	if c.err != nil {
		if c.lost.err == nil {
			c.lost.first, c.lost.err = c.off, fstree.WithoutPath(c.err)
		}
		c.lost.bytes += int64(c.n)
	}
	_, err := s.w.Write(c.buf[:c.n])
	return err
}

// end is what follows the last chunk of a file.
type end struct {
	path   string
	file   fstree.File
	stored int64
	lost   *zeroed
}

func (e *end) load(*stream) {}

// write ends the member. However many of its chunks cannot be read, it is told once.
func (e *end) write(s *stream) error {
	if e.lost.err != nil {
		s.problem(e.path, fmt.Errorf("%d bytes, the first at %d, are zeroes in the archive: %w", e.lost.bytes, e.lost.first, e.lost.err))
	}
	return errors.Join(e.file.Close(), s.writePadding(e.stored))
}

// writePadding fills up to a whole block what n bytes of contents have left.
func (s *stream) writePadding(n int64) error {
	_, err := s.w.Write(pad(nil, int(n%blockSize)))
	return err
}
