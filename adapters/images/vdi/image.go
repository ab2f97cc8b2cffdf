package vdi

import (
	"errors"
	"fmt"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// Format is the name of the format in qemu.
const Format = "vdi"

// Options say how an image is opened. The zero value, and nil, are the
// defaults.
type Options struct {
	// Parent opens the image that a differencing one lies over. The format
	// has no file names, only the parent's identity. The Disk that it returns
	// must be an [Image], or have a Header method like it. Nil refuses images
	// that have a parent with [qedfile.ErrBackingDenied].
	Parent func(ParentRef) (qedfile.Disk, error)

	// CacheBytes is how much of the map of blocks is kept in memory at most,
	// in bytes; zero means 16 MiB. A parent gets half of it.
	CacheBytes int64

	// Alone opens no parent. What it would show reads as zeroes.
	Alone bool
}

// ParentRef says which parent an image lies over.
type ParentRef struct {
	ID         ID    // of the parent
	CacheBytes int64 // what the image gives away of its [Options.CacheBytes]
}

// Image is an image that is opened as the disk in it. It is safe for
// concurrent use.
type Image struct {
	*layer.Disk
	header Header
	table  *qedfile.TableReader
}

var (
	_ qedfile.Mapper = (*Image)(nil)
	_ qedfile.Layer  = (*Image)(nil)
)

// Open opens the image in r, which Close closes. If it fails r stays open.
// Errors match [qedfile.ErrFormat], [qedfile.ErrUnsupported] and
// [qedfile.ErrBackingDenied]; those of damaged parts, when they are read,
// [qedfile.ErrCorrupt].
func Open(r backend.Reader, opts *Options) (*Image, error) {
	if opts == nil {
		opts = &Options{}
	}
	h, err := ReadHeader(r)
	if err != nil {
		return nil, err
	}
	f, err := layer.NewFile(r)
	if err != nil {
		return nil, err
	}
	if !f.Holds(h.MapOffset, 4*h.Blocks) {
		return nil, invalid("the map of %d blocks at %d does not fit into the file of %d bytes", h.Blocks, h.MapOffset, f.Bytes)
	}
	budget := opts.CacheBytes
	if budget <= 0 {
		budget = layer.DefaultCacheBytes
	}
	m := &blockMap{header: h, file: f, free: qedfile.Zero}
	var parent qedfile.Disk
	if h.Type.hasParent() {
		budget /= 2
		if !opts.Alone {
			if parent, err = openParent(opts, h, budget); err != nil {
				return nil, err
			}
		}
		m.free = qedfile.Unallocated
	}
	m.table = qedfile.NewTableReader(f, &qedfile.TableOptions{Narrow: true, CacheBytes: budget})
	return &Image{Disk: layer.New(m, h.Size, parent, f), header: *h, table: m.table}, nil
}

func openParent(opts *Options, h *Header, budget int64) (qedfile.Disk, error) {
	if opts.Parent == nil {
		return nil, fmt.Errorf("vdi: %w: the image %v", qedfile.ErrBackingDenied, h.ParentID)
	}
	d, err := opts.Parent(ParentRef{h.ParentID, budget})
	if err != nil {
		return nil, fmt.Errorf("vdi: parent %v: %w", h.ParentID, err)
	}
	p, ok := d.(interface{ Header() Header })
	switch {
	case !ok || p.Header().ID != h.ParentID:
		err = invalid("the parent that was opened is not %v", h.ParentID)
	case h.ParentModified != ID{} && p.Header().Modified != h.ParentModified:
		err = invalid("the parent %v was changed since the image was laid over it", h.ParentID)
	default:
		return d, nil
	}
	return nil, errors.Join(err, d.Close())
}

// Header returns what the header says.
func (m *Image) Header() Header { return m.header }

// Info returns what "qemu-img info" shows.
func (m *Image) Info() (*layer.Info, error) {
	return &layer.Info{Format: Format, VirtualSize: m.Size(), ClusterSize: m.header.BlockSize}, nil
}

// Entries of the map of blocks that are no number of a block in the file.
const (
	entryFree = 0xffffffff // never written: what the parent has, else zeroes
	entryZero = 0xfffffffe // zeroes
)

// A blockMap is the layer.Format of an image.
type blockMap struct {
	header *Header
	file   *layer.File
	table  *qedfile.TableReader
	free   qedfile.Kind // what a free block is
}

// Run implements layer.Format.
func (m *blockMap) Run(pos, limit int64) (layer.Run, error) {
	h := m.header
	first := pos / h.BlockSize
	entries, err := m.table.Entries(h.MapOffset + 4*first)
	if err != nil {
		return layer.Run{Length: h.BlockSize - pos%h.BlockSize}, err
	}
	n := min(entries.Len(), int(min(h.Blocks-first, 1<<20)))
	return layer.Blocks(pos, limit, h.BlockSize, n, func(i int) (layer.Run, error) {
		switch e := int64(entries.At(i)); e {
		case entryFree:
			return layer.None(m.free), nil
		case entryZero:
			return layer.None(qedfile.Zero), nil
		default:
			return m.block(first+int64(i), e)
		}
	})
}

// block returns the run of a block of the disk by its number in the file.
func (m *blockMap) block(index, number int64) (layer.Run, error) {
	h := m.header
	r, err := m.file.Block(h.DataOffset + number*(h.BlockExtra+h.BlockSize) + h.BlockExtra)
	if err != nil {
		return r, layer.Corrupt(Format, "block %d of the disk: %w", index, err)
	}
	r.Sparse = h.Type == Fixed
	return r, nil
}
