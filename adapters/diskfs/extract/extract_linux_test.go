package extract_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/extract"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func TestAsRootEverythingIsCopiedAsTheKernelShowsIt(t *testing.T) {
	oracle.Root(t)
	for _, name := range []string{"ext4-1k", "ext2-4k", "xfs-v5", "btrfs"} {
		t.Run(name, func(t *testing.T) {
			image, want := fstreetest.Committed(t, name)
			dir := filepath.Join(t.TempDir(), "copy")
			opts := extract.Options{Owner: true, Xattrs: true, Setuid: true, Devices: true}
			for _, p := range run(t, openImage(t, image), dir, opts, "disk") {
				if !strings.Contains(p, extract.ErrSpecial.Error()) && !strings.Contains(p, fstreetest.NoCopy) {
					t.Error(p)
				}
			}
			fstreetest.CompareCopy(t, fstreetest.Manifest(t, dir), want)
		})
	}
}

func TestAFullDiskIsOneErrorAndNotOneAFile(t *testing.T) {
	oracle.Root(t)
	dir := t.TempDir()
	oracle.Run(t, "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir)
	t.Cleanup(func() { oracle.Run(t, "umount", dir) })
	l := linked{}
	for i := range 50 {
		l.files = append(l.files, linkedFile{fmt.Sprintf("file%02d-", i), 0o644, strings.Repeat("x", 16<<10)})
	}
	var problems []string
	err := extract.Copy(t.Context(), fstree.New(l), []string{"."}, dir, &extract.Options{
		Problem: func(path string, err error) { problems = append(problems, path+": "+err.Error()) },
	})
	var pe *fs.PathError
	if !errors.Is(err, syscall.ENOSPC) || !errors.As(err, &pe) || !strings.HasPrefix(pe.Path, "file") {
		t.Errorf("the error is %v", err)
	}
	if len(problems) > 0 {
		t.Errorf("%d problems besides, such as %s", len(problems), problems[0])
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".qed-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
