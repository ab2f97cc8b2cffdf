//go:build unix

package nbd

import (
	"errors"
	"syscall"
)

// isNoSpace reports whether the host has no room left for what was written.
func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
