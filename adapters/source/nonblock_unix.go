//go:build unix

package source

import "syscall"

// openNonblock keeps a pipe that takes a file's place from holding us up.
const openNonblock = syscall.O_NONBLOCK
