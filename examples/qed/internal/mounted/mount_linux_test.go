//go:build !386 && !arm && !mips && !mipsle

package mounted_test

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/examples/qed/internal/mounted"
	"github.com/qedfs/qedfs/qedfile"
)

// mount mounts a part of a disk for the time of the test.
func mount(t *testing.T, disk *imagefs.Disk, root string) string {
	t.Helper()
	oracle.Root(t)
	oracle.File(t, "/dev/fuse")
	volumes, err := disk.Volumes()
	if err != nil {
		t.Fatal(err)
	}
	return mountWith(t, &mounted.Options{
		Tree: disk.FS(), Root: root, Volumes: volumes, Source: "test",
		Problem: func(path string, err error) { t.Errorf("%s: %v", path, err) },
	})
}

// mountWith mounts what the options say, for the time of the test.
func mountWith(t *testing.T, opts *mounted.Options) string {
	t.Helper()
	oracle.Root(t)
	oracle.File(t, "/dev/fuse")
	dir := t.TempDir()
	ready, done := make(chan struct{}), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		opts.Ready = func() { close(ready) }
		done <- mounted.Mount(ctx, dir, opts)
	}()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Error("it is still mounted")
		}
	})
	return dir
}

func TestTheMountIsThatOfTheKernel(t *testing.T) {
	for _, name := range []string{"ext4-1k", "xfs-v5", "btrfs"} {
		t.Run(name, func(t *testing.T) {
			image, want := fstreetest.Committed(t, name)
			raw, err := qedfile.NewRaw(backend.NewMemory(image))
			if err != nil {
				t.Fatal(err)
			}
			disk, err := imagefs.OpenDisk(raw, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := fstreetest.Manifest(t, mount(t, disk, "disk"))
			if len(got) != len(want) {
				t.Errorf("%d files, want %d", len(got), len(want))
			}
			byPath := make(map[string]fstreetest.Record)
			for _, r := range got {
				byPath[r.Path] = r
			}
			for _, w := range want {
				g := byPath[w.Path]
				w.Btime, g.Btime = nil, nil // FUSE does not ask for it
				if len(w.Xattrs) == 0 {
					w.Xattrs, g.Xattrs = nil, nilIfEmpty(g.Xattrs)
				}
				if !reflect.DeepEqual(g, w) {
					t.Errorf("%q:\n got %+v\nwant %+v", w.Path, g, w)
				}
			}
		})
	}
}

func nilIfEmpty(m map[string][]byte) map[string][]byte {
	if len(m) == 0 {
		return nil
	}
	return m
}

func TestAllVolumesAreMountedBesideEachOtherForReadingAlone(t *testing.T) {
	disk, err := imagefs.Open("../../../../testdata/gpt.qed", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	dir := mount(t, disk, ".")
	for name, want := range map[string]string{
		"p2/etc/hostname":                    "example\n",
		"p2/etc/hello":                       "#!/bin/sh\necho hello\n",
		"p1/EFI/A file with a long name.txt": "a long file name\n",
	} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); string(b) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "p2/etc/hostname"), []byte("x"), 0o644); err == nil {
		t.Error("it can be written")
	}
	if _, err := os.Stat(filepath.Join(dir, "p2/nothing")); !os.IsNotExist(err) {
		t.Error(err)
	}
}
