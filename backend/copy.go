package backend

import (
	"context"
	"errors"
	"io"
	"os"
)

const (
	copyKernelPiece = 32 << 20 // bytes after which the context is looked at
	copyBufferSize  = 1 << 20
)

// CopyRange copies n bytes at srcOff of src to dstOff of dst. Between two
// files, or a part of one, the kernel copies where it can (copy_file_range on
// Linux, which shares the blocks on filesystems that can); else the bytes go
// through a buffer. Holes are copied as zeroes: see [DataFinder].
//
// Where src ends early the error is [io.ErrUnexpectedEOF]. After an error a
// part may have been copied. Two ranges of one storage must not overlap.
func CopyRange(ctx context.Context, dst Storage, dstOff int64, src Reader, srcOff, n int64) error {
	if dstOff < 0 || srcOff < 0 || n < 0 || dstOff > maxOffset-n || srcOff > maxOffset-n {
		return invalid("no copy of %d bytes from %d to %d", n, srcOff, dstOff)
	}
	done, err := copyByKernel(ctx, dst, dstOff, src, srcOff, n)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return copyByBuffer(ctx, dst, dstOff+done, src, srcOff+done, n-done)
}

// copyByKernel returns errors.ErrUnsupported, and how far it came, where the
// rest must be copied otherwise.
func copyByKernel(ctx context.Context, dst Storage, dstOff int64, src Reader, srcOff, n int64) (int64, error) {
	to, toOff, ok := locate(dst, dstOff, n)
	from, fromOff, ok2 := locate(src, srcOff, n)
	if !ok || !ok2 {
		return 0, errors.ErrUnsupported
	}
	for done := int64(0); done < n; {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		k, err := copyFileRange(to, toOff+done, from, fromOff+done, int(min(n-done, copyKernelPiece)))
		if err != nil {
			return done, err
		}
		done += int64(k)
	}
	return n, nil
}

// A locator shows bytes of a host file, unchanged.
type locator interface {
	// locate returns the file that holds the n bytes at off, and where in it
	// they begin.
	locate(off, n int64) (f *os.File, at int64, ok bool)
}

// locate finds the file beneath a reader. If there is none, or it cannot be
// determined, reading and writing return the right error.
func locate(r io.ReaderAt, off, n int64) (f *os.File, at int64, ok bool) {
	if l, isLocator := r.(locator); isLocator {
		return l.locate(off, n)
	}
	return nil, 0, false
}

func (f *File) locate(off, _ int64) (*os.File, int64, bool)   { return f.f, off, true }
func (m *Mapped) locate(off, _ int64) (*os.File, int64, bool) { return m.file.f, off, true }

func (s *Section) locate(off, n int64) (*os.File, int64, bool) {
	if s.closed.Load() || off > s.size-n {
		return nil, 0, false
	}
	return locate(s.r, s.base+off, n)
}

func (u unsynced) locate(off, n int64) (*os.File, int64, bool) { return locate(u.Storage, off, n) }

func (b *borrowed) locate(off, n int64) (*os.File, int64, bool) {
	if b.closed.Load() {
		return nil, 0, false
	}
	return locate(b.s, off, n)
}

func copyByBuffer(ctx context.Context, dst Storage, dstOff int64, src Reader, srcOff, n int64) error {
	buf := make([]byte, min(n, copyBufferSize))
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := buf[:min(n, copyBufferSize)]
		k, err := ReadFull(src, p, srcOff)
		if err != nil {
			return errorf("copy: read at %d: %w", srcOff+int64(k), err)
		}
		if _, err := dst.WriteAt(p, dstOff); err != nil {
			return errorf("copy: write at %d: %w", dstOff, err)
		}
		srcOff, dstOff, n = srcOff+int64(k), dstOff+int64(k), n-int64(k)
	}
	return nil
}
