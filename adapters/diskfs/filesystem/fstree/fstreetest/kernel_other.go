//go:build !linux

package fstreetest

import (
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// Tree says what a filesystem is filled with; only Linux can make it.
type Tree struct {
	Entries, Extents int
	Plain, NoXattrs  bool
}

// build needs the Linux kernel.
func build(tb testing.TB, c Config) (string, []Record) {
	tb.Helper()
	oracle.Tool(tb, "the Linux kernel's "+c.Mount+" driver")
	return "", nil
}
