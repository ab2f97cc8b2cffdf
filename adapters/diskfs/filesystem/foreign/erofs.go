package foreign

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"time"

	"github.com/erofs/go-erofs"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
)

// OpenEROFS opens a volume with go-erofs. Compressed volumes are refused.
func OpenEROFS(r io.ReaderAt, size int64) (_ *fstree.FS, err error) {
	p := &erofsParser{meter: newMeter(r, size)}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: panic on opening: %v: %w", p.name(), r, fstree.ErrDamaged)
		}
	}()
	sig, err := probe.Identify(r, size)
	if err != nil {
		return nil, err
	}
	if sig.Type != "erofs" {
		return nil, fmt.Errorf("%s: %w", p.name(), fstree.ErrNotThis)
	}
	p.about = fstree.Info{Type: sig.Type, Label: sig.Label, UUID: sig.UUID, Size: size}
	fsys, err := erofs.Open(p.meter)
	if errors.Is(err, erofs.ErrNotImplemented) {
		return nil, fmt.Errorf("%s: %v: %w", p.name(), err, fstree.ErrUnsupported)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name(), err)
	}
	p.fsys = fsys
	return newTree(p, p.meter)
}

// erofsParser is a filesystem of go-erofs.
type erofsParser struct {
	fsys  fs.FS
	meter *meter
	about fstree.Info
}

func (p *erofsParser) name() string      { return "go-erofs" }
func (p *erofsParser) info() fstree.Info { return p.about }

func (p *erofsParser) root() (fs.FileInfo, error) { return fs.Stat(p.fsys, ".") }

func (p *erofsParser) list(path string) ([]fs.DirEntry, error) { return fs.ReadDir(p.fsys, path) }

func (p *erofsParser) describe(path string, info fs.FileInfo) (details, error) {
	s, ok := info.Sys().(*erofs.Stat)
	if !ok {
		return details{}, fmt.Errorf("no details of %s", path)
	}
	d := details{key: uint64(s.Ino), stat: fstree.Stat{
		Ino: uint64(s.Ino), Mode: s.Mode, Nlink: uint64(s.Nlink), UID: s.UID, GID: s.GID,
		Size: s.Size, Blocks: (s.Size + 511) / 512, Mtime: time.Unix(int64(s.Mtime), int64(s.MtimeNs)),
	}}
	if s.Mode&fs.ModeDevice != 0 {
		d.stat.Major, d.stat.Minor = newDeviceNumber(s.Rdev)
		d.stat.Size = 0
	}
	d.xattrs = make(map[string][]byte, len(s.Xattrs))
	for name, value := range s.Xattrs {
		d.xattrs[name] = []byte(value)
	}
	if s.Mode&fs.ModeSymlink == 0 {
		return d, nil
	}
	target, err := fs.ReadLink(p.fsys, path)
	d.target = target
	return d, err
}

// newDeviceNumber takes apart a device number as Linux encodes it on disks
// (new_decode_dev in include/linux/kdev_t.h).
func newDeviceNumber(n uint32) (major, minor uint32) {
	return n >> 8 & 0xfff, n&0xff | n>>12&0xfff00
}

// ranged is implemented by what go-erofs describes a file with.
type ranged interface{ DataRange() []erofs.DataRange }

func (p *erofsParser) open(path string, info fs.FileInfo) (fstree.Content, error) {
	if r, ok := info.(ranged); ok {
		if c, ok := newRuns(p.meter.r, info.Size(), r.DataRange()); ok {
			return c, nil
		}
	}
	f, err := p.fsys.Open(path)
	if err != nil {
		return nil, err
	}
	return &handle{file: &rewinder{fsys: p.fsys, path: path, f: f}, size: info.Size()}, nil
}

// runs is a file in pieces, each stored on the volume as it is or a hole.
type runs struct {
	r    io.ReaderAt
	size int64
	list []erofs.DataRange
}

// newRuns checks that the pieces make up the whole file, on this volume.
func newRuns(r io.ReaderAt, size int64, list []erofs.DataRange) (*runs, bool) {
	total := int64(0)
	for _, x := range list {
		if x.Device != 0 || x.Size <= 0 || x.Size > size-total {
			return nil, false
		}
		total += x.Size
	}
	return &runs{r: r, size: size, list: list}, total == size
}

func (c *runs) Size() int64 { return c.size }

func (c *runs) ReadAt(p []byte, off int64) (n int, err error) {
	for x, err := range c.Extents(off, int64(len(p))) {
		if err != nil {
			return n, err
		}
		part := p[n : n+int(x.Length)]
		if x.Hole {
			clear(part)
		} else if m, err := c.r.ReadAt(part, x.Offset); m < len(part) {
			return n + m, err
		}
		n += len(part)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (c *runs) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		start := int64(0)
		for _, x := range c.list {
			from, to := max(off, start), min(off+n, start+x.Size)
			if from < to {
				e := fstree.Extent{Start: from, Length: to - from, Hole: x.Offset < 0, Offset: -1}
				if !e.Hole {
					e.Offset = x.Offset + from - start
				}
				if !yield(e, nil) {
					return
				}
			}
			start += x.Size
		}
	}
}

// rewinder makes a file that can only be read on one that can be read
// anywhere: by opening it again where it has to go back.
type rewinder struct {
	fsys fs.FS
	path string
	f    fs.File
	pos  int64
}

func (w *rewinder) Read(p []byte) (int, error) {
	n, err := w.f.Read(p)
	w.pos += int64(n)
	return n, err
}

func (w *rewinder) Seek(offset int64, _ int) (int64, error) {
	if offset < w.pos {
		f, err := w.fsys.Open(w.path)
		if err != nil {
			return 0, err
		}
		w.f, w.pos = f, 0
	}
	n, err := io.CopyN(io.Discard, w.f, offset-w.pos)
	w.pos += n
	return w.pos, err
}
