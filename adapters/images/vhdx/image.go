package vhdx

import (
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
	// a DataWriteID method like it. Nil refuses images that have a parent
	// with [qedfile.ErrBackingDenied].
	Backing qedfile.BackingFunc

	// CacheBytes is how much of the tables is kept in memory at most, in
	// bytes; zero means 16 MiB. A parent gets half of it.
	CacheBytes int64

	// ForceShare is handed to Backing.
	ForceShare bool

	// Alone opens no parent. What it would show reads as zeroes.
	Alone bool
}

// Image is an image that is opened as the disk in it. It is safe for
// concurrent use.
type Image struct {
	*layer.Disk
	metadata  Metadata
	dataWrite GUID
	dirty     bool
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
	f, err := layer.NewFile(r)
	if err != nil {
		return nil, err
	}
	h, err := readHeader(f)
	if err != nil {
		return nil, err
	}
	f, dirty, err := replayLog(f, h)
	if err != nil {
		return nil, err
	}
	table, metadata, err := readRegions(f)
	if err != nil {
		return nil, err
	}
	m, err := readMetadata(f, metadata)
	if err != nil {
		return nil, err
	}
	blocks, err := newBlockMap(f, m, table)
	if err != nil {
		return nil, err
	}
	budget := opts.CacheBytes
	if budget <= 0 {
		budget = layer.DefaultCacheBytes
	}
	var parent qedfile.Disk
	if m.HasParent {
		budget /= 4 // the table, the bitmaps, and half for the parent
		if !opts.Alone {
			if parent, err = openParent(m, opts, 2*budget); err != nil {
				return nil, err
			}
		}
		blocks.bits = qedfile.NewTableReader(f, &qedfile.TableOptions{CacheBytes: budget, SliceBytes: 4 << 10})
	}
	blocks.table = qedfile.NewTableReader(f, &qedfile.TableOptions{CacheBytes: budget})
	return &Image{Disk: layer.New(blocks, m.Size, parent, f), metadata: *m, dataWrite: h.dataWrite, dirty: dirty}, nil
}

func openParent(m *Metadata, opts *Options, budget int64) (qedfile.Disk, error) {
	names := m.parentNames()
	if len(names) == 0 {
		return nil, invalid("a differencing image without the name of its parent")
	}
	ref := qedfile.BackingRef{Format: Format, CacheBytes: budget, ForceShare: opts.ForceShare}
	return layer.OpenParent(opts.Backing, names, ref, func(d qedfile.Disk) error {
		if p, ok := d.(interface{ DataWriteID() GUID }); !ok || !m.isParent(p.DataWriteID()) {
			return fmt.Errorf("its contents are not those of %s: it was changed, or is another disk", m.Parent[keyLinkage])
		}
		return nil
	})
}

// Metadata returns what describes the disk.
func (m *Image) Metadata() Metadata { return m.metadata }

// DataWriteID returns the identity that changes with the contents of the disk,
// by which a differencing image knows its parent.
func (m *Image) DataWriteID() GUID { return m.dataWrite }

// Dirty reports whether the image was not closed properly. Its log is then
// replayed in memory, so that the disk is whole.
func (m *Image) Dirty() bool { return m.dirty }

// Info returns what "qemu-img info" shows.
func (m *Image) Info() (*layer.Info, error) {
	info := &layer.Info{Format: Format, VirtualSize: m.Size(), ClusterSize: m.metadata.BlockSize, Dirty: m.dirty}
	if m.metadata.HasParent {
		info.BackingFile, info.BackingFormat = m.metadata.parentNames()[0], Format
	}
	return info, nil
}

// States of a block, in the lowest three bits of its entry in the table.
const (
	stateNotPresent = 0 // what the parent has, else zeroes
	stateUndefined  = 1
	stateZero       = 2
	stateUnmapped   = 3
	stateUnmapped95 = 5 // as version 0.95 of the specification had it
	statePresent    = 6
	statePartly     = 7 // the sectors that the bitmap has

	stateMask = 7
	placeMask = ^uint64(1<<20 - 1)
)

// chunkSectors is how many sectors of the disk one bitmap maps.
const chunkSectors = 1 << 23

// A blockMap is the layer.Format of an image. After the entries of the blocks
// that a bitmap maps, of a chunk, its own follows in the table.
type blockMap struct {
	*Metadata
	file   *layer.File
	at     int64 // of the table in the file
	blocks int64
	ratio  int64 // blocks of a chunk
	table  *qedfile.TableReader
	bits   *qedfile.TableReader // of the bitmaps; nil without a parent
}

func newBlockMap(f *layer.File, m *Metadata, table region) (*blockMap, error) {
	b := &blockMap{Metadata: m, file: f, at: table.offset, blocks: (m.Size + m.BlockSize - 1) / m.BlockSize, ratio: chunkSectors * m.LogicalSector / m.BlockSize}
	entries := b.blocks + max(0, b.blocks-1)/b.ratio
	if m.HasParent {
		entries = (b.blocks + b.ratio - 1) / b.ratio * (b.ratio + 1)
	}
	if entries*8 > table.bytes || !f.Holds(table.offset, entries*8) {
		return nil, invalid("the table of %d entries does not fit into %d bytes at %d, or into the file of %d", entries, table.bytes, table.offset, f.Bytes)
	}
	return b, nil
}

// Run implements layer.Format.
func (m *blockMap) Run(pos, limit int64) (layer.Run, error) {
	first := pos / m.BlockSize
	entries, err := m.table.Entries(m.at + (first+first/m.ratio)*8)
	if err != nil {
		return layer.Run{Length: m.BlockSize - pos%m.BlockSize}, err
	}
	if entries.At(0)&stateMask == statePartly && m.HasParent {
		return m.sectors(pos, min(limit, m.BlockSize-pos%m.BlockSize), entries.At(0))
	}
	n := int(min(int64(entries.Len()), m.ratio-first%m.ratio, m.blocks-first))
	return layer.Blocks(pos, limit, m.BlockSize, n, func(i int) (layer.Run, error) {
		return m.block(first+int64(i), entries.At(i))
	})
}

// block describes a block by its entry in the table.
func (m *blockMap) block(index int64, entry uint64) (layer.Run, error) {
	switch entry & stateMask {
	case stateNotPresent:
		if m.HasParent {
			return layer.None(qedfile.Unallocated), nil
		}
		return layer.None(qedfile.Zero), nil
	case stateUndefined, stateZero, stateUnmapped, stateUnmapped95:
		return layer.None(qedfile.Zero), nil
	case statePresent:
		r, err := m.file.Block(place(entry))
		if err != nil {
			return r, corrupt("block %d: %w", index, err)
		}
		r.Sparse = true
		return r, nil
	}
	return layer.None(qedfile.Data), corrupt("block %d: its entry is %#x", index, entry)
}

// place is where a block or bitmap lies in the file, by its entry; negative for
// what no file has.
func place(entry uint64) int64 { return int64(entry & placeMask) }

// sectors returns the run of the sectors from pos on, as far as limit, that
// the bitmap says the same of: that they are in this image, or in the parent.
// The first sector is the lowest bit of the first byte.
func (m *blockMap) sectors(pos, limit int64, entry uint64) (layer.Run, error) {
	index := pos / m.BlockSize
	r, err := m.file.Block(place(entry))
	if err != nil {
		return layer.Run{Length: limit}, corrupt("block %d: %w", index, err)
	}
	chunk := index / m.ratio
	bitmap, err := m.table.Entries(m.at + (chunk*(m.ratio+1)+m.ratio)*8)
	if err != nil {
		return layer.Run{Length: limit}, err
	}
	at := place(bitmap.At(0))
	if bitmap.At(0)&stateMask != statePresent || !m.file.Holds(at, chunkSectors/8) {
		return layer.Run{Length: limit}, corrupt("chunk %d: the entry of its bitmap is %#x", chunk, bitmap.At(0))
	}
	sector := pos / m.LogicalSector
	in := sector % chunkSectors
	bits, err := m.bits.Entries(at + in/64*8)
	if err != nil {
		return layer.Run{Length: limit}, err
	}
	bit := func(i int64) bool { return bits.At(int(i/64))>>(i%64)&1 != 0 }
	from := in % 64
	end := min((pos+limit+m.LogicalSector-1)/m.LogicalSector-sector+from, int64(bits.Len())*64)
	here, next := bit(from), from+1
	for next < end && bit(next) == here {
		next++
	}
	length := min(limit, (next-from)*m.LogicalSector-pos%m.LogicalSector)
	if !here {
		return layer.Run{Kind: qedfile.Unallocated, Length: length, Offset: -1}, nil
	}
	r.Length, r.At, r.Offset, r.Sparse = length, r.At+pos%m.BlockSize, r.Offset+pos%m.BlockSize, true
	return r, nil
}
