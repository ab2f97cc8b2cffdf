package lvm

import (
	"fmt"
	"io"
)

// thin is a volume of a pool: its blocks lie wherever the pool's metadata say,
// and may be those of other volumes of the pool too. The format is that of
// drivers/md/dm-thin-metadata.c.
type thin struct {
	pool    string
	device  uint64
	outside string // the origin in no pool, "" if there is none
}

const thinMagic = 27022010

func newThin(seg *section) (layout, error) {
	device, err := seg.number("device_id", 1<<24-1)
	if err != nil {
		return nil, fmt.Errorf("lvm: thin volume: %w", err)
	}
	if seg.values["merge"] != nil {
		return nil, fmt.Errorf("%w: a snapshot is being merged into it", ErrUnsupported)
	}
	return &thin{pool: seg.str("thin_pool"), device: uint64(device), outside: seg.str("external_origin")}, nil
}

func (t *thin) open(o *opener, _ int64, depth int) (io.ReaderAt, error) {
	p, err := o.g.pool(t.pool, "thin-pool")
	if err != nil {
		return nil, err
	}
	meta, metaSize, err := o.named(p.metadata, depth)
	if err != nil {
		return nil, err
	}
	r := &thinReader{chunk: p.chunk, meta: newMetaStore(meta, metaSize)}
	if r.data, r.dataSize, err = o.named(p.data, depth); err != nil {
		return nil, err
	}
	if t.outside != "" {
		if r.outside, r.outsideSize, err = o.named(t.outside, depth); err != nil {
			return nil, err
		}
	}
	sb, err := r.meta.checked(0, thinSum, 8)
	if err != nil {
		return nil, fmt.Errorf("thin pool %s: %w", t.pool, err)
	}
	const mappings, blockSize, incompatible = 320, 336, 360
	switch version := le.Uint32(sb[40:]); {
	case le.Uint64(sb[32:]) != thinMagic:
		return nil, fmt.Errorf("lvm: thin pool %s: its metadata have no magic", t.pool)
	case version < 1 || version > 2 || le.Uint32(sb[incompatible:]) != 0:
		return nil, fmt.Errorf("%w: thin pool %s of version %d with features %#x", ErrUnsupported, t.pool, version, le.Uint32(sb[incompatible:]))
	case fromSectors(uint64(le.Uint32(sb[blockSize:]))) != p.chunk:
		return nil, fmt.Errorf("lvm: thin pool %s: blocks of %d sectors, and the group says %d bytes", t.pool, le.Uint32(sb[blockSize:]), p.chunk)
	}
	value, ok, err := r.meta.lookup(le.Uint64(sb[mappings:]), t.device, 8)
	if err != nil {
		return nil, fmt.Errorf("thin pool %s: %w", t.pool, err)
	}
	if !ok {
		return nil, fmt.Errorf("lvm: thin pool %s has no device %d", t.pool, t.device)
	}
	r.root = le.Uint64(value)
	return r, nil
}

type thinReader struct {
	chunk       int64
	meta        *metaStore
	root        uint64 // of the tree of mappings
	data        io.ReaderAt
	dataSize    int64
	outside     io.ReaderAt // nil if there is none
	outsideSize int64
}

func (r *thinReader) ReadAt(p []byte, off int64) (int, error) {
	return readChunks(p, off, r.chunk, r.read)
}

func (r *thinReader) read(p []byte, chunk, inside int64) error {
	value, ok, err := r.meta.lookup(r.root, uint64(chunk), 8)
	if err != nil {
		return fmt.Errorf("thin block %d: %w", chunk, err)
	}
	if !ok {
		return r.unmapped(p, chunk*r.chunk+inside)
	}
	block := le.Uint64(value) >> 24 // below is when it was mapped
	if block >= uint64(r.dataSize/r.chunk) {
		return fmt.Errorf("lvm: thin block %d is said to be block %d of %d", chunk, block, r.dataSize/r.chunk)
	}
	return readFull(r.data, p, int64(block)*r.chunk+inside)
}

// unmapped reads what was never written: it is the origin's, or zeroes.
func (r *thinReader) unmapped(p []byte, off int64) error {
	n := 0
	if r.outside != nil && off < r.outsideSize {
		n = int(min(int64(len(p)), r.outsideSize-off))
		if err := readFull(r.outside, p[:n], off); err != nil {
			return err
		}
	}
	clear(p[n:])
	return nil
}
