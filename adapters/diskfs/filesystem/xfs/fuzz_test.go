package xfs_test

import (
	"bytes"
	"io"
	"io/fs"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/xfs"
)

// FuzzXFS puts the fuzzer's bytes over real images, at a sector of its choice
// and with the checksums of version 4, which has none, so that the changes
// come through.
func FuzzXFS(f *testing.F) {
	images := [][]byte{fstreetest.Image(f, "xfs-v4"), fstreetest.Image(f, "xfs-v4-no-types"), fstreetest.Image(f, "xfs-ordinary")}
	for i, image := range images {
		f.Add(uint8(i), uint32(0), image[:512])
		for sector := 0; sector < len(image)/512; sector++ {
			if b := image[sector*512:][:512]; b[0] == 'I' && b[1] == 'N' || b[0] == 'X' {
				f.Add(uint8(i), uint32(sector), b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, sector uint32, data []byte) {
		image := images[int(which)%len(images)]
		at := int64(sector) * 512 % int64(len(image))
		if len(data) > 64<<10 {
			return
		}
		fsys, err := xfs.Open(patched{image, at, data}, int64(len(image)))
		if err != nil {
			return
		}
		walkSome(fsys, ".", new(int))
	})
}

// patched is an image with some bytes replaced.
type patched struct {
	image []byte
	at    int64
	data  []byte
}

func (p patched) ReadAt(b []byte, off int64) (int, error) {
	n, err := bytes.NewReader(p.image).ReadAt(b, off)
	start, end := max(off, p.at), min(off+int64(n), p.at+int64(len(p.data)))
	if start < end {
		copy(b[start-off:end-off], p.data[start-p.at:])
	}
	return n, err
}

// walkSome reads a tree and forgives every error. It ends after some thousand
// files: a damaged directory may contain itself.
func walkSome(fsys fs.FS, dir string, seen *int) {
	entries, _ := fs.ReadDir(fsys, dir)
	for _, e := range entries {
		if *seen++; *seen > 3000 {
			return
		}
		name := e.Name()
		if dir != "." {
			name = dir + "/" + name
		}
		if info, err := e.Info(); err == nil {
			_, _ = info.Sys().(*fstree.Stat).Xattrs()
		}
		switch {
		case e.IsDir():
			walkSome(fsys, name, seen)
		case e.Type() == fs.ModeSymlink:
			_, _ = fs.ReadLink(fsys, name)
		default:
			if file, err := fsys.Open(name); err == nil {
				_, _ = io.CopyN(io.Discard, file, 1<<20)
				_ = file.Close()
			}
		}
	}
}
