//go:build unix

package main

import (
	"io/fs"
	"syscall"
)

// blocksOf is the space that a file takes on the host, in bytes.
func blocksOf(fi fs.FileInfo) (int64, bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int64(st.Blocks) * 512, true
}
