package lvm

import (
	"bufio"
	"fmt"
	"io"
	"math"
)

// cache is a volume with a copy of some blocks on a faster one. The format is
// that of drivers/md/dm-cache-metadata.c.
type cache struct {
	origin, pool string
	own          bool // the pool is a volume of its own, in two parts
	parts        pool // of that
	meta, data   span // bytes of that volume
}

type span struct{ off, size int64 }

const cacheMagic = 0o6142003

func newCache(seg *section) (layout, error) {
	c := &cache{origin: seg.str("origin"), pool: seg.str("cache_pool")}
	if seg.values["metadata_start"] == nil {
		return c, nil
	}
	c.own = true
	for name, at := range map[string]*int64{"metadata_start": &c.meta.off, "metadata_len": &c.meta.size, "data_start": &c.data.off, "data_len": &c.data.size} {
		n, err := seg.number(name, math.MaxInt64/sectorSize/2)
		if err != nil {
			return nil, fmt.Errorf("lvm: cache: %w", err)
		}
		*at = n * sectorSize
	}
	var err error
	c.parts.mode = seg.str("cache_mode")
	c.parts.chunk, err = bytesOf(seg, "chunk_size")
	return c, err
}

// volumes returns the metadata and the blocks of a cache.
func (c *cache) volumes(o *opener, depth int) (p pool, meta, data *io.SectionReader, err error) {
	if c.own {
		r, size, err := o.named(c.pool, depth)
		if err != nil {
			return p, nil, nil, err
		}
		if c.meta.off+c.meta.size > size || c.data.off+c.data.size > size {
			return p, nil, nil, fmt.Errorf("lvm: the cache lies outside volume %s", c.pool)
		}
		return c.parts, io.NewSectionReader(r, c.meta.off, c.meta.size), io.NewSectionReader(r, c.data.off, c.data.size), nil
	}
	if p, err = o.g.pool(c.pool, "cache-pool"); err != nil {
		return p, nil, nil, err
	}
	r, size, err := o.named(p.metadata, depth)
	if err != nil {
		return p, nil, nil, err
	}
	meta = io.NewSectionReader(r, 0, size)
	if r, size, err = o.named(p.data, depth); err != nil {
		return p, nil, nil, err
	}
	return p, meta, io.NewSectionReader(r, 0, size), nil
}

func (c *cache) open(o *opener, length int64, depth int) (io.ReaderAt, error) {
	origin, size, err := o.named(c.origin, depth)
	if err != nil {
		return nil, err
	}
	if size < length {
		return nil, fmt.Errorf("lvm: the origin %s has %d bytes of %d", c.origin, size, length)
	}
	p, meta, data, err := c.volumes(o, depth)
	if err != nil {
		return nil, err
	}
	if p.mode == "passthrough" {
		return origin, nil // reads never come from the cache
	}
	store := newMetaStore(meta, meta.Size())
	sb, err := store.checked(0, cacheSum, 8)
	if err != nil {
		return nil, fmt.Errorf("cache %s: %w", c.pool, err)
	}
	const mappings, blockSize, blocks, incompatible = 192, 232, 240, 252
	count := uint64(le.Uint32(sb[blocks:]))
	switch version := le.Uint32(sb[40:]); {
	case le.Uint64(sb[32:]) != cacheMagic:
		return nil, fmt.Errorf("lvm: cache %s: its metadata have no magic", c.pool)
	case version < 1 || version > 2 || le.Uint32(sb[incompatible:]) != 0:
		return nil, fmt.Errorf("%w: cache %s of version %d with features %#x", ErrUnsupported, c.pool, version, le.Uint32(sb[incompatible:]))
	case fromSectors(uint64(le.Uint32(sb[blockSize:]))) != p.chunk:
		return nil, fmt.Errorf("lvm: cache %s: blocks of %d sectors, and the group says %d bytes", c.pool, le.Uint32(sb[blockSize:]), p.chunk)
	case count > uint64(data.Size()/p.chunk):
		return nil, fmt.Errorf("lvm: cache %s: %d blocks of %d bytes in %d", c.pool, count, p.chunk, data.Size())
	}
	r := &cachedReader{chunk: p.chunk, kept: make(map[uint64]int64), under: origin, over: data}
	err = store.elements(le.Uint64(sb[mappings:]), count, 8, func(i uint64, value []byte) error {
		const valid = 1
		n := le.Uint64(value)
		if n&valid == 0 {
			return nil
		}
		if _, twice := r.kept[n>>16]; twice {
			return fmt.Errorf("lvm: block %d is kept twice", n>>16)
		}
		r.kept[n>>16] = int64(i) * p.chunk
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cache %s: %w", c.pool, err)
	}
	return r, nil
}

// cachedReader reads blocks from one volume and the rest from another.
type cachedReader struct {
	chunk       int64
	kept        map[uint64]int64 // by number: where it lies in over
	under, over io.ReaderAt
}

func (r *cachedReader) ReadAt(p []byte, off int64) (int, error) {
	return readChunks(p, off, r.chunk, func(p []byte, chunk, inside int64) error {
		if at, ok := r.kept[uint64(chunk)]; ok {
			return readFull(r.over, p, at+inside)
		}
		return readFull(r.under, p, chunk*r.chunk+inside)
	})
}

// writecache is a volume whose latest writes are on a faster one. The
// format is that of drivers/md/dm-writecache.c:
//
//	header, 64 bytes | an entry for each block: sector, number of the write | blocks
type writecache struct {
	origin, store string
	block         int64
}

const writecacheMagic = 0x23489321

func newWritecache(seg *section) (layout, error) {
	block, err := seg.number("writecache_block_size", 64<<10)
	if err != nil || block < sectorSize || block&(block-1) != 0 {
		return nil, fmt.Errorf("lvm: writecache: blocks of %d bytes: %w", block, err)
	}
	return &writecache{origin: seg.str("origin"), store: seg.str("writecache"), block: block}, nil
}

func (w *writecache) open(o *opener, length int64, depth int) (io.ReaderAt, error) {
	origin, size, err := o.named(w.origin, depth)
	if err != nil {
		return nil, err
	}
	if size < length {
		return nil, fmt.Errorf("lvm: the origin %s has %d bytes of %d", w.origin, size, length)
	}
	store, size, err := o.named(w.store, depth)
	if err != nil {
		return nil, err
	}
	header := make([]byte, 64)
	if err := readFull(store, header, 0); err != nil {
		return nil, err
	}
	count, next := le.Uint64(header[16:]), le.Uint64(header[24:])
	if le.Uint32(header) != writecacheMagic || int64(le.Uint32(header[8:])) != w.block || count > uint64(size/w.block) {
		return nil, fmt.Errorf("lvm: writecache %s: its header is damaged", w.store)
	}
	if version := le.Uint32(header[4:]); version != 1 {
		return nil, fmt.Errorf("%w: writecache %s of version %d", ErrUnsupported, w.store, version)
	}
	data := (64 + int64(count)*16 + w.block - 1) / w.block * w.block
	if data+int64(count)*w.block > size {
		return nil, fmt.Errorf("lvm: writecache %s: %d blocks of %d bytes in %d", w.store, count, w.block, size)
	}
	r := &cachedReader{chunk: w.block, kept: make(map[uint64]int64), under: origin, over: store}
	latest := make(map[uint64]uint64)
	entry := make([]byte, 16)
	entries := bufio.NewReader(io.NewSectionReader(store, 64, data))
	for i := range int64(count) {
		if _, err := io.ReadFull(entries, entry); err != nil {
			return nil, fmt.Errorf("lvm: writecache %s: %w", w.store, err)
		}
		sector, write := le.Uint64(entry), le.Uint64(entry[8:])
		if write >= next { // free, or not committed
			continue
		}
		block := sector / uint64(w.block/sectorSize)
		if before, ok := latest[block]; ok && before == write {
			return nil, fmt.Errorf("lvm: writecache %s: block %d is kept twice", w.store, block)
		} else if ok && before > write {
			continue
		}
		latest[block], r.kept[block] = write, data+i*w.block
	}
	return r, nil
}
