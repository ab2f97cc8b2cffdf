package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// mountedFilesystem is a directory in a new filesystem of the kernel's.
func mountedFilesystem(t *testing.T, kind, size string) string {
	t.Helper()
	oracle.Tool(t, "mkfs."+kind)
	oracle.Root(t)
	dir := t.TempDir()
	file, point := filepath.Join(dir, "disk"), filepath.Join(dir, "mounted")
	oracle.Run(t, "truncate", "-s", size, file)
	oracle.Run(t, "mkfs."+kind, "-q", file)
	if err := os.Mkdir(point, 0o777); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "mount", "-o", "loop", "-t", kind, file, point)
	t.Cleanup(func() { oracle.Run(t, "umount", point) })
	return point
}

func TestNocowHasBtrfsWriteInPlace(t *testing.T) {
	dir := mountedFilesystem(t, "btrfs", "120M")
	oracle.Tool(t, "lsattr")
	for option, want := range map[string]bool{"nocow=on": true, "nocow=off": false} {
		for _, format := range []string{"raw", "qed"} {
			name := filepath.Join(dir, format+option)
			if r := ourReply(t, "qemu-img", []string{"create", "-q", "-f", format, "-o", option, name, "1M"}); r.code != 0 || r.stderr != "" {
				t.Fatalf("%+v", r)
			}
			flags, _, _ := strings.Cut(string(oracle.Run(t, "lsattr", name)), " ")
			if strings.Contains(flags, "C") != want {
				t.Errorf("%s, %s: lsattr says %s", format, option, flags)
			}
		}
	}
}

func TestAnExtentSizeHintReachesXFS(t *testing.T) {
	dir := mountedFilesystem(t, "xfs", "400M")
	oracle.Tool(t, "xfs_io")
	for option, want := range map[string]string{"extent_size_hint=2M": "[2097152]", "extent_size_hint=0": "[0]", "nocow=off": "[0]"} {
		name := filepath.Join(dir, option)
		if r := ourReply(t, "qemu-img", []string{"create", "-q", "-f", "qed", "-o", option, name, "1M"}); r.code != 0 || r.stderr != "" {
			t.Fatalf("%+v", r)
		}
		if said := string(oracle.Run(t, "xfs_io", "-c", "extsize", name)); !strings.HasPrefix(said, want) {
			t.Errorf("%s: xfs_io says %s", option, said)
		}
	}
	// As qemu-img does, it warns of a hint that cannot be.
	args := []string{"create", "-q", "-f", "raw", "-o", "extent_size_hint=1000", filepath.Join(dir, "odd"), "1M"}
	if ours, theirs := ourReply(t, "qemu-img", args), qemuReply(t, "qemu-img", args); ours != theirs || ours.stderr == "" {
		t.Errorf("%+v, qemu-img %+v", ours, theirs)
	}
}
