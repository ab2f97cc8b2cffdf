//go:build !linux

package backend

import (
	"errors"
	"os"
)

func copyFileRange(*os.File, int64, *os.File, int64, int) (int, error) {
	return 0, errors.ErrUnsupported
}
