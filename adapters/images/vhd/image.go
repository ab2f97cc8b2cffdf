package vhd

import (
	"encoding/binary"
	"fmt"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// Options say how an image is opened. The zero value, and nil, are the
// defaults.
type Options struct {
	// Backing opens the parent of a differencing image. It is called with
	// each name that the image has for it, relative to the image and with
	// slashes, until one leads to a Disk, which must be an [Image] or have
	// an ID method like it. Nil refuses images that have a parent with
	// [qedfile.ErrBackingDenied].
	Backing qedfile.BackingFunc

	// CacheBytes is how much of the tables is kept in memory at most, in
	// bytes; zero means 16 MiB. A parent gets half of it.
	CacheBytes int64

	// ForceShare is handed to Backing.
	ForceShare bool

	// Alone opens no parent. What it would show reads as zeroes.
	Alone bool
}

// Format is the name that the format has in qemu.
const Format = "vpc"

// Image is an image that is opened as the disk in it. It is safe for
// concurrent use.
type Image struct {
	*layer.Disk
	footer    Footer
	blockSize int64
	parent    string // the name that it has in the image; empty without one
}

var (
	_ qedfile.Mapper = (*Image)(nil)
	_ qedfile.Layer  = (*Image)(nil)
)

// Open opens the image in r, which Close closes. If it fails r stays open.
func Open(r backend.Reader, opts *Options) (*Image, error) {
	if opts == nil {
		opts = &Options{}
	}
	footer, footerBytes, err := readFooter(r)
	if err != nil {
		return nil, err
	}
	budget := opts.CacheBytes
	if budget <= 0 {
		budget = layer.DefaultCacheBytes
	}
	f, err := layer.NewFile(r)
	if err != nil {
		return nil, err
	}
	image := &Image{footer: *footer}
	if footer.Type == Fixed {
		if footer.Size > f.Bytes-footerBytes {
			return nil, invalid("a fixed disk of %d bytes in a file of %d", footer.Size, f.Bytes)
		}
		image.Disk = layer.New(fixedMap{f}, footer.Size, nil, f)
		return image, nil
	}
	h, err := readDynamic(f, footer)
	if err != nil {
		return nil, err
	}
	if !f.Holds(h.tableOffset, 4*h.entries) {
		return nil, invalid("the table of %d blocks at %d does not fit into the file of %d bytes", h.entries, h.tableOffset, f.Bytes)
	}
	m := &blockMap{dynamicHeader: h, file: f, bitmap: h.bitmapBytes()}
	var parent qedfile.Disk
	if footer.Type == Differencing {
		budget /= 4 // the table, the bitmaps, and half for the parent
		if !opts.Alone {
			if parent, err = openParent(h, opts, 2*budget); err != nil {
				return nil, err
			}
		}
		m.differs = true
		m.bits = qedfile.NewTableReader(f, &qedfile.TableOptions{CacheBytes: budget, SliceBytes: sectorSize})
	}
	m.table = qedfile.NewTableReader(f, &qedfile.TableOptions{Narrow: true, Order: binary.BigEndian, CacheBytes: budget})
	image.blockSize = h.blockSize
	if len(h.parent) > 0 {
		image.parent = h.parent[0]
	}
	image.Disk = layer.New(m, footer.Size, parent, f)
	return image, nil
}

// openParent opens the parent by the first name that leads to it.
func openParent(h *dynamicHeader, opts *Options, budget int64) (qedfile.Disk, error) {
	ref := qedfile.BackingRef{Format: Format, CacheBytes: budget, ForceShare: opts.ForceShare}
	return layer.OpenParent(opts.Backing, h.parent, ref, func(d qedfile.Disk) error {
		if p, ok := d.(interface{ ID() ID }); !ok || p.ID() != h.parentID {
			return fmt.Errorf("it is not the image %v", h.parentID)
		}
		return nil
	})
}

// Footer returns what the footer says.
func (m *Image) Footer() Footer { return m.footer }

// ID returns the identity of the image.
func (m *Image) ID() ID { return m.footer.ID }

// Info returns what "qemu-img info" shows.
func (m *Image) Info() (*layer.Info, error) {
	return &layer.Info{Format: Format, VirtualSize: m.Size(), ClusterSize: m.blockSize, BackingFile: m.parent, BackingFormat: backingFormat(m.parent)}, nil
}

func backingFormat(parent string) string {
	if parent == "" {
		return ""
	}
	return Format
}

// BlockSize returns the size of the blocks in bytes, 0 of a fixed image.
func (m *Image) BlockSize() int64 { return m.blockSize }

// A fixedMap is the layer.Format of a fixed image.
type fixedMap struct{ file *layer.File }

// Run implements layer.Format.
func (m fixedMap) Run(pos, limit int64) (layer.Run, error) { return m.file.Flat(pos, limit) }

// entryFree is the entry of the table for a block that is not in the file.
const entryFree = 0xffffffff

// A blockMap is the layer.Format of a dynamic or differencing image. A block of
// the file is a bitmap of its sectors, in whole sectors, and then these.
type blockMap struct {
	*dynamicHeader
	file    *layer.File
	table   *qedfile.TableReader // of the blocks
	bits    *qedfile.TableReader // of the bitmaps, eight bytes an entry; nil where they do not matter
	bitmap  int64                // bytes
	differs bool                 // free blocks and sectors show the parent
}

// Run implements layer.Format.
func (m *blockMap) Run(pos, limit int64) (layer.Run, error) {
	first := pos / m.blockSize
	entries, err := m.table.Entries(m.tableOffset + 4*first)
	if err != nil {
		return layer.Run{Length: m.blockSize - pos%m.blockSize}, err
	}
	n := min(entries.Len(), int(min(m.entries-first, 1<<20)))
	r, err := layer.Blocks(pos, limit, m.blockSize, n, func(i int) (layer.Run, error) {
		return m.block(first+int64(i), int64(entries.At(i)))
	})
	if err != nil || !m.differs || r.Kind != qedfile.Data {
		return r, err
	}
	return m.sectors(pos, min(limit, m.blockSize-pos%m.blockSize), r)
}

// block describes a block by its entry in the table. In an image that is not
// differencing the bitmap is not looked at, as in qemu: what it calls unused
// was never written, and is zeroes.
func (m *blockMap) block(index, entry int64) (layer.Run, error) {
	if entry == entryFree {
		if m.differs {
			return layer.None(qedfile.Unallocated), nil
		}
		return layer.None(qedfile.Zero), nil
	}
	r, err := m.file.Block(entry*sectorSize + m.bitmap)
	if err != nil {
		err = corrupt("block %d of the disk: %w", index, err)
	}
	return r, err
}

// sectors cuts a run to the sectors from pos on, as far as limit, that the
// bitmap of their block says the same of: that they are in r, or in the
// parent.
func (m *blockMap) sectors(pos, limit int64, r layer.Run) (layer.Run, error) {
	in := pos % m.blockSize
	bits, err := m.bits.Entries(r.At - in - m.bitmap + in/(64*sectorSize)*8)
	if err != nil {
		return layer.Run{Length: limit}, err
	}
	from := in / sectorSize % 64
	end := min((in+limit+sectorSize-1)/sectorSize-in/sectorSize+from, int64(bits.Len())*64)
	here, next := sectorBit(bits, from), from+1
	for next < end && sectorBit(bits, next) == here {
		next++
	}
	r.Length = min(limit, (next-from)*sectorSize-in%sectorSize)
	if !here {
		return layer.Run{Kind: qedfile.Unallocated, Length: r.Length, Offset: -1}, nil
	}
	return r, nil
}

// sectorBit is bit i of a bitmap, of whose bytes the first is the lowest of the
// first entry. The first sector has the highest bit of its byte.
func sectorBit(bits qedfile.TableEntries, i int64) bool {
	return bits.At(int(i/64))>>(i%64/8*8+7-i%8)&1 != 0
}
