package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
)

const (
	copyKernelPiece = 32 << 20 // bytes after which the context is looked at
	copyBufferSize  = 1 << 20
)

// CopyRange copies n bytes at srcOff of src to dstOff of dst. Between two
// files, or a part of one, the kernel copies where it can: on Linux it shares
// the blocks on a filesystem that can, else it writes what is mapped ([Mapped])
// from where it lies, or copies by copy_file_range. Otherwise the bytes go
// through a buffer. Holes are copied as zeroes: see [DataFinder].
//
// Where src ends early the error is [io.ErrUnexpectedEOF]. After an error a
// part may have been copied. Two ranges of one storage must not overlap.
func CopyRange(ctx context.Context, dst Storage, dstOff int64, src Reader, srcOff, n int64) error {
	if dstOff < 0 || srcOff < 0 || n < 0 || dstOff > maxOffset-n || srcOff > maxOffset-n {
		return fmt.Errorf("backend: no copy of %d bytes from %d to %d", n, srcOff, dstOff)
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
	if u, ok := dst.(unsynced); ok {
		dst = u.Storage
	}
	to, ok := dst.(*File)
	from, ok2 := hostRangeOf(src, srcOff, n)
	if !ok || !ok2 || !to.writable {
		return 0, errors.ErrUnsupported
	}
	for done := int64(0); done < n; {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		k, err := from.copy(to, dstOff+done, done, min(n-done, copyKernelPiece))
		if done += k; err != nil {
			return done, err
		}
	}
	return n, nil
}

// A hostRange is where a reader's bytes lie in a file of the host.
type hostRange struct {
	file   *File
	mapped *Mapped // nil where the file is not mapped
	off    int64
}

// hostRangeOf finds n bytes at off of a reader.
func hostRangeOf(r Reader, off, n int64) (hostRange, bool) {
	switch r := r.(type) {
	case *File:
		return hostRange{file: r, off: off}, true
	case *Mapped:
		return hostRange{file: r.file, mapped: r, off: off}, true
	case *Section:
		inner, isReader := r.r.(Reader)
		if !isReader || r.closed.Load() || off > r.size-n {
			return hostRange{}, false // reading it gives the right error
		}
		return hostRangeOf(inner, r.base+off, n)
	}
	return hostRange{}, false
}

// copy copies n bytes that begin skip bytes into the range. It returns how
// many it did.
func (h hostRange) copy(to *File, toOff, skip, n int64) (int64, error) {
	from := h.off + skip
	if h.mapped == nil {
		k, err := copyFileRange(to.f, toOff, h.file.f, from, int(n))
		return int64(k), err
	}
	// A target that could not share blocks once is not asked again: most
	// filesystems cannot.
	if !to.unshared.Load() {
		if shareRange(to.f, toOff, h.file.f, from, n) {
			return n, nil
		}
		to.unshared.Store(true)
	}
	return h.mapped.writeTo(to.f, toOff, from, min(n, copyBufferSize))
}

func copyByBuffer(ctx context.Context, dst Storage, dstOff int64, src Reader, srcOff, n int64) error {
	buf := make([]byte, min(n, copyBufferSize))
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := buf[:min(n, copyBufferSize)]
		k, err := src.ReadAt(p, srcOff)
		if k < len(p) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("backend: copy: read at %d: %w", srcOff+int64(k), err)
		}
		if _, err := dst.WriteAt(p, dstOff); err != nil {
			return fmt.Errorf("backend: copy: write at %d: %w", dstOff, err)
		}
		srcOff, dstOff, n = srcOff+int64(k), dstOff+int64(k), n-int64(k)
	}
	return nil
}
