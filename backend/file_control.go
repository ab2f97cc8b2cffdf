//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package backend

import "os"

// control calls fn with the descriptor of f, which is not closed meanwhile.
// Unlike File.Fd it leaves the file's mode as it is.
func control(f *os.File, fn func(fd uintptr) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if conn.Control(func(fd uintptr) { inner = fn(fd) }) != nil {
		return os.ErrClosed // the one thing that Control itself reports, by an error of its own
	}
	return inner
}
