package backend

import (
	"context"
	"errors"
	"fmt"
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
	to, ok := dst.(*File)
	from, base, ok2 := fileOf(src, srcOff, n)
	if !ok || !ok2 || !to.writable {
		return 0, errors.ErrUnsupported
	}
	for done := int64(0); done < n; {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		k, err := copyFileRange(to.f, dstOff+done, from, base+srcOff+done, int(min(n-done, copyKernelPiece)))
		if err != nil {
			return done, err
		}
		done += int64(k)
	}
	return n, nil
}

// fileOf finds the file beneath a reader, and where in it the reader begins.
func fileOf(r Reader, off, n int64) (f *os.File, base int64, ok bool) {
	switch r := r.(type) {
	case *File:
		return r.f, 0, true
	case *Mapped:
		return r.file.f, 0, true
	case *Section:
		inner, isReader := r.r.(Reader)
		if !isReader || r.closed.Load() || off > r.size-n {
			return nil, 0, false // reading it gives the right error
		}
		f, base, ok = fileOf(inner, r.base+off, n)
		return f, base + r.base, ok
	}
	return nil, 0, false
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
