package wrapped

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/qedfs/qedfs/backend"
)

const (
	tempBlock  = 64 << 10 // bytes; a block of zeroes becomes a hole
	freeOutput = 64 << 20 // bytes that the ratio is not applied to
)

// A stream is something that can only be read from its beginning to its end.
type stream struct {
	r io.Reader
	// packed bytes in all, and how many were used so far.
	packed int64
	used   func() int64
}

// toTemp copies a stream into a sparse file that nobody else sees and that is
// gone when it is closed, or when the process ends.
func toTemp(ctx context.Context, s stream, opts *Options) (_ backend.Reader, err error) {
	f, err := newTemp(opts.TempDir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	var size, stored int64
	block := make([]byte, tempBlock)
	for end := false; !end; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := fill(s.r, block)
		if err != nil && err != io.EOF {
			return nil, damaged(err)
		}
		end = err == io.EOF
		if !allZero(block[:n]) {
			if _, err := f.WriteAt(block[:n], size); err != nil {
				return nil, err
			}
			stored += int64(n)
		}
		size += int64(n)
		if err := opts.check(size, stored, s.used()); err != nil {
			return nil, err
		}
		if opts.Progress != nil {
			opts.Progress(min(s.used(), s.packed), s.packed)
		}
	}
	if err := f.Truncate(size); err != nil {
		return nil, err
	}
	return f, nil
}

// check holds what came out against the limits.
func (o *Options) check(size, stored, used int64) error {
	if size > o.MaxSize {
		return fmt.Errorf("%w: it unpacks to more than %d bytes", ErrLimit, o.MaxSize)
	}
	if stored > freeOutput && (stored-freeOutput)/o.MaxRatio > used {
		return fmt.Errorf("%w: it unpacks to more than %d times its size", ErrLimit, o.MaxRatio)
	}
	return nil
}

// fill is [io.ReadFull], but that it leaves the reader's error as it is: a
// stream that is cut off must not look like one that ends.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var k int
		k, err = r.Read(b[n:])
		n += k
	}
	return n, err
}

func newTemp(dir string) (backend.Storage, error) {
	f, err := os.CreateTemp(dir, ".qedfs-*.unpacked")
	if err != nil {
		return nil, err
	}
	remove, err := removeNow(f.Name())
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	b, err := backend.NewFile(f, os.O_RDWR, nil)
	if err != nil {
		return nil, errors.Join(err, f.Close(), remove())
	}
	return &temp{File: b, remove: remove}, nil
}

// temp is a file whose name, if it still has one, goes when it is closed.
type temp struct {
	*backend.File
	remove func() error
}

func (t *temp) Close() error { return errors.Join(t.File.Close(), t.remove()) }

func allZero(b []byte) bool {
	for len(b) >= 8 {
		if b[0]|b[1]|b[2]|b[3]|b[4]|b[5]|b[6]|b[7] != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// counter counts what is read through it.
type counter struct {
	r io.Reader
	n atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// counterAt is counter for what is read at offsets.
type counterAt struct {
	r io.ReaderAt
	n atomic.Int64
}

func (c *counterAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	c.n.Add(int64(n))
	return n, err
}
