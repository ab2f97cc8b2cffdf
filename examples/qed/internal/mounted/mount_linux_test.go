//go:build !386 && !arm && !mips && !mipsle

package mounted_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/guest"
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

// The root of a guest is mounted with what its fstab mounts: every file that the
// library finds, by the same name, and what cannot be mounted is no empty
// directory.
func TestTheRootOfAGuestIsMountedWithItsMounts(t *testing.T) {
	disk, err := imagefs.Open("../../../../testdata/guest/debian.qed", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	systems, err := guest.Find(disk)
	if err != nil {
		t.Fatal(err)
	}
	root := systems[0].Root()
	var mu sync.Mutex
	told := make(map[string]bool)
	dir := mountWith(t, &mounted.Options{
		Tree: mounted.Guest{Root: root}, Root: ".", Source: "test",
		Problem: func(path string, _ error) { mu.Lock(); told[path] = true; mu.Unlock() },
	})
	type place struct {
		id    fstree.FileID
		mount guest.MountID
	}
	files := make(map[uint64]place)
	met, mounts := 0, make(map[guest.MountID]bool)
	for e, err := range root.Walk(context.Background(), ".", nil) {
		name := filepath.Join(dir, e.Path)
		if err != nil {
			_, listed := os.ReadDir(name)
			mu.Lock()
			if !told[e.Path] { // with what can be listed, or without
				t.Errorf("%s: %v, and nobody was told that %v", e.Path, listed, err)
			}
			mu.Unlock()
			continue
		}
		want, err := root.Lstat(e.Path)
		if err != nil {
			continue // a mount that cannot be made: its error follows
		}
		got, err := os.Lstat(name)
		if err != nil {
			t.Errorf("%s: %v", e.Path, err)
			continue
		}
		met++
		if got.Mode() != want.Mode() || !got.IsDir() && got.Size() != want.Size() || !got.ModTime().Equal(want.ModTime()) {
			t.Errorf("%s: %v, want %v", e.Path, got, want)
		}
		if want.Mode().IsRegular() {
			b, err := os.ReadFile(name)
			stored, _ := root.ReadFile(e.Path)
			if err != nil || !bytes.Equal(b, stored) {
				t.Errorf("%s: %d bytes, %v, want %d", e.Path, len(b), err, len(stored))
			}
		}
		at, err := root.Locate(e.Path)
		if err != nil {
			t.Fatal(err)
		}
		mounts[at.Mount] = true
		is := place{want.Sys().(*fstree.Stat).FileID(), at.Mount}
		number := got.Sys().(*syscall.Stat_t).Ino
		if other, known := files[number]; known && other != is {
			t.Errorf("%s has the number of another file, %d", e.Path, number)
		}
		files[number] = is
	}
	if met < 20 || len(mounts) < 4 {
		t.Errorf("%d files of %d mounts", met, len(mounts))
	}
	for _, point := range []string{"mnt/gone", "var/lib/overlay"} {
		if _, err := os.Stat(filepath.Join(dir, point)); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v", point, err)
		}
	}
	var home, top unix.Statfs_t
	if err := errors.Join(unix.Statfs(dir, &top), unix.Statfs(filepath.Join(dir, "home"), &home)); err != nil || home.Blocks == top.Blocks {
		t.Errorf("%v: %d blocks in /home as in /", err, home.Blocks)
	}
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
