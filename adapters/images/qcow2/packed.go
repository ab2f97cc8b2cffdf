package qcow2

import (
	"io"
	"sync"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/backend"
)

// packedCacheBytes is the budget for decompressed clusters that were read only
// in part.
const packedCacheBytes = 4 << 20

// packed reads the compressed clusters of an image, by their offsets on the
// disk. Clusters that are read as a whole are decompressed into place; the
// others go through a cache, so that small reads in a row decompress once.
type packed struct {
	m      *Image
	size   int64 // of the disk
	whole  *backend.Cached
	decode decoder
	inputs sync.Pool // of *[]byte
}

func newPacked(m *Image, size int64) (*packed, error) {
	p := &packed{m: m, size: size, decode: newDecoder(m.header.compression)}
	cluster := int(m.header.clusterSize())
	var err error
	p.whole, err = backend.NewCached(packedClusters{p}, &backend.CacheOptions{
		BlockSize: cluster, Budget: packedCacheBytes, ReadAhead: cluster,
	})
	return p, err
}

// ReadAt implements [io.ReaderAt] for clusters that are compressed.
func (p *packed) ReadAt(b []byte, off int64) (int, error) {
	size := p.m.header.clusterSize()
	for done := 0; done < len(b); {
		rest, at := b[done:], off+int64(done)
		in := at & (size - 1)
		n := min(int64(len(rest)), size-in)
		var err error
		if n == size {
			err = p.cluster(rest[:n], at)
		} else {
			_, err = p.whole.ReadAt(rest[:n], at)
		}
		if err != nil {
			return done, err
		}
		done += int(n)
	}
	return len(b), nil
}

// cluster decompresses the cluster at a disk offset into b.
func (p *packed) cluster(b []byte, guest int64) error {
	entry, err := p.entry(guest)
	if err != nil {
		return err
	}
	at, n := p.m.header.packedPlace(entry)
	// The last sector of the file may be short.
	if n = min(n, p.m.fileSize-at); n <= 0 {
		return layer.Corrupt(format, "the compressed cluster for disk offset %d, at %#x, is past the end of the file of %d bytes", guest, at, p.m.fileSize)
	}
	buf, _ := p.inputs.Get().(*[]byte)
	if buf == nil || int64(cap(*buf)) < n {
		buf = new(make([]byte, n))
	}
	defer p.inputs.Put(buf)
	in := (*buf)[:n]
	if k, err := p.m.r.ReadAt(in, at); int64(k) < n {
		return err
	}
	if err := p.decode.decode(b, in); err != nil {
		return layer.Corrupt(format, "the compressed cluster for disk offset %d, at %#x: %w", guest, at, err)
	}
	return nil
}

// packedPlace is where a compressed cluster lies, and how many bytes it takes
// at most, by its L2 entry: the place and the number of sectors, less one, share
// 62 bits.
func (h *header) packedPlace(entry uint64) (at, n int64) {
	shift := 62 - (h.clusterBits - 8)
	at = int64(entry & (1<<shift - 1))
	sectors := int64(entry&(flagPacked-1)>>shift) + 1
	return at, sectors*sectorSize - at%sectorSize
}

// entry is the L2 entry of a cluster that is known to be compressed.
func (p *packed) entry(guest int64) (uint64, error) {
	h := p.m.header
	l1, err := p.m.tables.Entries(p.m.l1Offset + guest>>(h.clusterBits+h.l2Bits())*entrySize)
	if err != nil {
		return 0, err
	}
	index := guest >> h.clusterBits & (1<<h.l2Bits() - 1)
	l2, err := p.m.tables.Entries(int64(l1.At(0)&offsetMask) + index<<h.l2EntryBits())
	if err != nil {
		return 0, err
	}
	return l2.At(0), nil
}

// packedClusters is a disk whose clusters are all compressed: what the cache
// reads, a cluster at a time.
type packedClusters struct{ p *packed }

func (c packedClusters) Size() (int64, error) { return c.p.size, nil }
func (c packedClusters) Close() error         { return nil }

func (c packedClusters) ReadAt(b []byte, off int64) (int, error) {
	if off >= c.p.size {
		return 0, io.EOF
	}
	whole := b
	if size := c.p.m.header.clusterSize(); int64(len(b)) < size {
		whole = make([]byte, size) // the disk ends inside the cluster
	}
	if err := c.p.cluster(whole, off); err != nil {
		return 0, err
	}
	return copy(b, whole), nil
}
