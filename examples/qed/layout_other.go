//go:build !linux || !(amd64 || arm64 || 386 || arm || riscv64 || loong64 || s390x)

package main

import (
	"errors"
	"os"
)

func turnOffCopyOnWrite(*os.File) error { return errors.ErrUnsupported }

func hintExtentSize(*os.File, uint32) error { return errors.ErrUnsupported }
