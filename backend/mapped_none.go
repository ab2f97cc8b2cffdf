//go:build !(linux || darwin)

package backend

import (
	"errors"
	"os"
)

const maxMapping = 0

func mapFile(*os.File, int) ([]byte, error) { return nil, errors.ErrUnsupported }

func (m *Mapped) disarm() error { return nil }

func unmap([]byte) {}

func isRemote(*os.File) bool { return false }
