package backend

import "errors"

var _ Allocator = (*File)(nil)

// Allocate takes space for a part of s as [Allocator.Allocate] does. For a
// storage that cannot, the error matches [errors.ErrUnsupported]. A Storage that
// stands before another one passes the call on by it.
func Allocate(s Storage, off, n int64) error {
	if err := checkAllocation(off, n); err != nil {
		return err
	}
	if a, ok := s.(Allocator); ok {
		return a.Allocate(off, n)
	}
	return errorf("this storage takes no space ahead: %w", errors.ErrUnsupported)
}

// Allocate implements [Allocator] with fallocate(2); other systems than Linux,
// and some filesystems, cannot.
func (f *File) Allocate(off, n int64) error {
	if !f.writable {
		return f.readOnly("allocate")
	}
	if err := checkAllocation(off, n); err != nil || n == 0 {
		return err
	}
	return allocate(f.f, off, n)
}

func checkAllocation(off, n int64) error {
	if off < 0 || n < 0 || off > maxOffset-n {
		return invalid("no space for %d bytes at %d", n, off)
	}
	return nil
}
