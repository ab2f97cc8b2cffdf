//go:build !linux

package backend

import "os"

func syncFile(f *os.File) error { return f.Sync() }
