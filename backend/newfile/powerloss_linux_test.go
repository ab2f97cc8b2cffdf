package newfile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/backend/newfile"
)

// From include/uapi/linux/fs.h and fs/xfs/libxfs/xfs_fs.h: the filesystem
// stops as if the power had failed, with or without what its log still holds
// in memory.
const (
	fsIOCShutdown = 0x8004587d
	logFlush      = 1
	noLogFlush    = 2
)

// powerCut mounts a filesystem and returns what stops it and mounts it again.
func powerCut(t *testing.T, kind, options string) (dir string, cut func(flag uint32)) {
	t.Helper()
	oracle.Root(t)
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 320<<20); err != nil { // the least that XFS takes
		t.Fatal(err)
	}
	oracle.Run(t, "mkfs."+kind, "-q", image)
	dir = t.TempDir()
	mount := func() { oracle.Run(t, "mount", "-t", kind, "-o", "loop"+options, image, dir) }
	mount()
	mounted := true
	t.Cleanup(func() {
		if mounted {
			oracle.Run(t, "umount", dir)
		}
	})
	return dir, func(flag uint32) {
		t.Helper()
		d, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, d.Fd(), fsIOCShutdown, uintptr(unsafe.Pointer(&flag)))
		d.Close()
		if errno != 0 {
			t.Fatalf("shutdown: %v", errno)
		}
		oracle.Run(t, "umount", dir)
		mounted = false
		mount()
		mounted = true
	}
}

// TestACommittedFileSurvivesAPowerCut cuts the power right after Commit. That
// the test can tell is shown by files that are not synced.
func TestACommittedFileSurvivesAPowerCut(t *testing.T) {
	before, after := bytes.Repeat([]byte("old "), 64<<10), bytes.Repeat([]byte("new "), 64<<10)
	for _, tt := range []struct{ kind, options string }{{"xfs", ""}, {"ext4", ",noauto_da_alloc"}} {
		t.Run(tt.kind, func(t *testing.T) {
			dir, cut := powerCut(t, tt.kind, tt.options)
			name := filepath.Join(dir, "disk.qed")
			for _, flag := range []uint32{logFlush, noLogFlush} {
				for _, content := range [][]byte{before, after} {
					write(t, name, string(content), nil)
					cut(flag)
					if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, content) {
						t.Errorf("after a power cut (%d) the file has %d bytes, %v, and is not what was committed", flag, len(got), err)
					}
				}
			}
			write(t, name, string(before), &newfile.Options{Unsynced: true})
			cut(logFlush)
			if got, err := os.ReadFile(name); err != nil || bytes.Equal(got, before) {
				t.Errorf("an unsynced file of %d bytes, %v, survives: this test shows nothing", len(got), err)
			}
		})
	}
}
