//go:build unix

package backend

import (
	"io/fs"
	"syscall"
)

// spaceOf counts blocks of 512 bytes, whatever those of the filesystem are
// (stat(2), st_blocks).
func spaceOf(fi fs.FileInfo) (int64, error) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, errNoSpaceTold(fi)
	}
	return int64(st.Blocks) * 512, nil
}
