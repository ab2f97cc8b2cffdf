package backend

import "io"

// ReadFull fills p from an offset on, and returns how much it has read. The
// error is nil if and only if that is all of p. Where the reader ends before,
// which for what a structure says is there means that it is cut off, it is
// [io.ErrUnexpectedEOF], never [io.EOF].
//
// An [io.ReaderAt] may return an error beside a full p, such as [io.EOF] at the
// end of a file, and bad ones return a short count without one; ReadFull does
// away with both.
func ReadFull(r io.ReaderAt, p []byte, off int64) (int, error) {
	n, err := r.ReadAt(p, off)
	switch {
	case n >= len(p):
		return len(p), nil
	case err == nil || err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return max(n, 0), err
}
