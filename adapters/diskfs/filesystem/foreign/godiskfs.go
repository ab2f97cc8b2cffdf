package foreign

import (
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"

	"github.com/diskfs/go-diskfs/filesystem"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
	"github.com/diskfs/go-diskfs/filesystem/squashfs"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// OpenISO9660 opens a volume with go-diskfs's ISO 9660 reader.
func OpenISO9660(r io.ReaderAt, size int64) (*fstree.FS, error) {
	return openGoDiskfs(r, size, "iso9660", func(m *meter) (filesystem.FileSystem, error) {
		return iso9660.Read(m, m.size, 0, 0)
	})
}

// squashfsCache is what go-diskfs may keep of decompressed blocks; its own
// default is 128 MiB.
const squashfsCache = 16 << 20

// OpenSquashfs opens a volume with go-diskfs's squashfs reader.
func OpenSquashfs(r io.ReaderAt, size int64) (*fstree.FS, error) {
	return openGoDiskfs(r, size, "squashfs", func(m *meter) (filesystem.FileSystem, error) {
		s, err := squashfs.Read(m, m.size, 0, 0)
		if err == nil {
			s.SetCacheSize(squashfsCache)
		}
		return s, err
	})
}

func openGoDiskfs(r io.ReaderAt, size int64, kind string, open func(*meter) (filesystem.FileSystem, error)) (_ *fstree.FS, err error) {
	p := &goDiskfs{kind: kind, meter: newMeter(r, size)}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: panic on opening: %v: %w", p.name(), r, fstree.ErrDamaged)
		}
	}()
	if p.fsys, err = open(p.meter); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name(), err)
	}
	return newTree(p, p.meter)
}

// goDiskfs is a filesystem of go-diskfs.
type goDiskfs struct {
	kind  string
	fsys  filesystem.FileSystem
	meter *meter
}

func (g *goDiskfs) name() string { return "go-diskfs " + g.kind }

func (g *goDiskfs) info() fstree.Info {
	return fstree.Info{Type: g.kind, Size: g.meter.size}
}

func (g *goDiskfs) root() (fs.FileInfo, error) {
	return g.fsys.Stat(".")
}

func (g *goDiskfs) list(path string) ([]fs.DirEntry, error) { return g.fsys.ReadDir(path) }

func (g *goDiskfs) describe(_ string, info fs.FileInfo) (details, error) {
	d := details{stat: fstree.Stat{Mode: info.Mode(), Nlink: 1, Size: info.Size(), Mtime: info.ModTime()}}
	if info.IsDir() {
		d.stat.Mode |= fs.ModeDir
	}
	switch s := info.Sys().(type) {
	case *iso9660.StatT:
		d.stat.Ino, d.stat.Nlink, d.stat.UID, d.stat.GID = uint64(s.Inode), max(uint64(s.NLink), 1), s.UID, s.GID
		d.target, d.key = s.LinkTarget, uint64(s.Location)
	case *squashfs.StatT:
		d.stat.Ino, d.stat.UID, d.stat.GID = uint64(s.Inode), s.UID, s.GID
		d.target, d.key = s.LinkTarget, uint64(s.Inode)
		d.xattrs = make(map[string][]byte, len(s.Xattrs))
		for name, value := range s.Xattrs {
			d.xattrs[name] = []byte(value)
		}
	}
	if d.stat.Mode&fs.ModeSymlink != 0 {
		d.stat.Size = int64(len(d.target))
	}
	return d, nil
}

func (g *goDiskfs) open(path string, info fs.FileInfo) (fstree.Content, error) {
	if s, ok := info.Sys().(*iso9660.StatT); ok {
		const block = 2048
		return run{r: g.meter.r, off: int64(s.Location) * block, size: min(info.Size(), g.meter.size)}, nil
	}
	f, err := g.fsys.OpenFile(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return &handle{file: f, size: info.Size()}, nil
}

// run is a file that lies on the volume in one piece.
type run struct {
	r         io.ReaderAt
	off, size int64
}

func (c run) Size() int64 { return c.size }

func (c run) ReadAt(p []byte, off int64) (int, error) {
	return io.NewSectionReader(c.r, c.off, c.size).ReadAt(p, off)
}

func (c run) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return oneExtent(off, n, c.size, c.off+off)
}
