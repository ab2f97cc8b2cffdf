//go:build !(linux || darwin || freebsd)

package backend

import (
	"errors"
	"os"
)

func seekData(*os.File, int64) (start, end int64, err error) {
	return 0, 0, errors.ErrUnsupported
}
