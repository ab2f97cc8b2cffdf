package extract_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/extract"
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
