//go:build linux || darwin

package backend

import (
	"math/bits"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxMapping leaves most of a 32-bit address space to the program.
const maxMapping = 1 << (28 + bits.UintSize/64*18)

func mapFile(f *os.File, size int) (data []byte, err error) {
	err = control(f, func(fd uintptr) error {
		data, err = unix.Mmap(int(fd), 0, size, unix.PROT_READ, unix.MAP_SHARED)
		return err
	})
	return data, err
}

// disarm puts memory that cannot be read in the place of the mapping: the file
// is free, with its locks, and a reader that is just copying meets a fault. To
// unmap would give the addresses to somebody else while it copies; that waits
// until no reader can be left.
func (m *Mapped) disarm() error {
	start := unsafe.Pointer(unsafe.SliceData(m.data))
	_, err := unix.MmapPtr(-1, 0, start, uintptr(len(m.data)), unix.PROT_NONE, unix.MAP_FIXED|unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return errorf("unmap %s: %w", m.file.Name(), err)
	}
	return nil
}

func unmap(data []byte) { _ = unix.Munmap(data) }
