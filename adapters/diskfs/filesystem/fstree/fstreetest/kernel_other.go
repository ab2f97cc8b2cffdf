//go:build !linux

package fstreetest

import (
	"bytes"
	"io"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// Tree says what a filesystem is filled with; only Linux can make it.
type Tree struct {
	Entries, Extents int
	Plain, NoXattrs  bool
	Since1970, Huge  bool
	LargestXattr     int
}

// build needs the Linux kernel.
func build(tb testing.TB, c Config) (string, []Record) {
	tb.Helper()
	oracle.Tool(tb, "the Linux kernel's "+c.Mount+" driver")
	return "", nil
}

// RunInGuest needs Linux too: its test binary is the guest's init.
func RunInGuest(t *testing.T, _ []string, configs []Config, open Opener) {
	for _, c := range configs {
		if !c.Large {
			t.Run(c.Name+"/committed", func(t *testing.T) {
				image, records := Committed(t, c.Name)
				compareOn(t, bytes.NewReader(image), int64(len(image)), records, c, open)
			})
		}
	}
	t.Run("guest", func(t *testing.T) { oracle.Tool(t, "the Linux kernel in qemu") })
}

// Main is what TestMain of a package that uses [RunInGuest] calls.
func Main(m *testing.M) int { return m.Run() }

// Build needs the Linux kernel.
func Build(tb testing.TB, c Config) (io.ReaderAt, []Record) {
	tb.Helper()
	build(tb, c)
	return nil, nil
}
