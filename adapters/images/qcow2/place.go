package qcow2

import (
	"bytes"
	"encoding/binary"

	"github.com/qedfs/qedfs/qedfile"
)

// A pieceWork is what becomes of a piece's clusters.
type pieceWork struct {
	clusters []newCluster
}

// A newCluster is a cluster that is to be written.
type newCluster struct {
	kind   clusterKind // clusterUnallocated is left out
	bitmap uint64      // of an extended L2 entry
	at, n  int64       // compressed: its bytes in the piece's Packed
	host   int64       // where it goes in the file
}

// prepare looks for zeroes and compresses.
func (w *writer) prepare(p *qedfile.Piece) error {
	work, _ := p.Work.(*pieceWork)
	if work == nil {
		work = new(pieceWork)
		p.Work = work
	}
	work.clusters, p.Packed = work.clusters[:0], p.Packed[:0]
	for at := int64(0); at < int64(len(p.Bytes)); at += w.cluster {
		b := p.Bytes[at:min(at+w.cluster, int64(len(p.Bytes)))]
		var c newCluster
		switch {
		case !isZero(b):
			c.kind = clusterNormal
		case w.layer == nil:
			// Unallocated, over no backing file.
		case w.header.version == 2:
			c.kind = clusterNormal // there are no others that hide a backing file
		default:
			c.kind = clusterZero
		}
		if w.layer != nil && c.kind != clusterUnallocated {
			own, err := w.stores(p.Offset+at, int64(len(b)))
			if err != nil {
				return err
			}
			if !own {
				c.kind = clusterUnallocated
			}
		}
		if err := w.pack(p, &c, b); err != nil {
			return err
		}
		work.clusters = append(work.clusters, c)
	}
	return nil
}

// stores reports whether the source itself stores any of n bytes at off.
func (w *writer) stores(off, n int64) (bool, error) {
	for e, err := range w.layer.OwnExtents(off, n) {
		if err != nil || e.Kind != qedfile.Unallocated {
			return true, err
		}
	}
	return false, nil
}

// pack compresses a cluster where that is wanted and worth it, and finds its
// subclusters where it is not.
func (w *writer) pack(p *qedfile.Piece, c *newCluster, b []byte) error {
	switch {
	case c.kind == clusterZero:
		c.bitmap = allocatedBits << subclusters
	case c.kind != clusterNormal:
	case w.encode != nil:
		if int64(len(b)) < w.cluster { // the disk ends inside the cluster
			b = append(bytes.Clone(b), make([]byte, w.cluster-int64(len(b)))...)
		}
		c.at = int64(len(p.Packed))
		packed, err := w.encode.encode(p.Packed, b)
		if err != nil {
			return err
		}
		if n := int64(len(packed)) - c.at; n < w.cluster {
			c.kind, c.n, p.Packed = clusterPacked, n, packed
			return nil
		}
		p.Packed = packed[:c.at]
		c.bitmap = allocatedBits
	case w.header.extendedL2():
		sub := w.cluster / subclusters
		for i := range uint(subclusters) {
			from := min(int64(len(b)), int64(i)*sub)
			switch s := b[from:min(int64(len(b)), from+sub)]; {
			case !isZero(s):
				c.bitmap |= 1 << i
			case w.layer != nil:
				c.bitmap |= 1 << (i + subclusters)
			}
		}
	}
	return nil
}

// isZero reports whether b has only zero bytes.
func isZero(b []byte) bool {
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[:len(b)-1], b[1:])
}

// place gives a piece's clusters their places, in the order of the disk, and
// enters them in the tables.
func (w *writer) place(p *qedfile.Piece) error {
	clusters := p.Work.(*pieceWork).clusters
	for i := range clusters {
		c := &clusters[i]
		guest := p.Offset>>w.header.clusterBits + int64(i)
		if c.kind == clusterUnallocated {
			continue
		}
		if err := w.preallocate(guest); err != nil {
			return err
		}
		var entry uint64
		switch c.kind {
		case clusterZero:
			if !w.header.extendedL2() {
				entry = flagZero
			}
		case clusterNormal:
			c.host = w.allocateData(guest)
			entry = uint64(c.host) | flagCopied
		case clusterPacked:
			c.host = w.allocateBytes(c.n)
			entry = w.packedEntry(c.host, c.n)
		}
		if err := w.setEntry(guest, entry, c.bitmap); err != nil {
			return err
		}
	}
	return w.refs.flush(w.oldest())
}

// allocateData gives a cluster of the disk its place.
func (w *writer) allocateData(guest int64) int64 {
	if w.opts.DataFile != nil {
		return guest << w.header.clusterBits
	}
	return w.allocate(1)
}

// preallocate gives the clusters of the disk before end that have no entry yet
// their places, where that is wanted.
func (w *writer) preallocate(end int64) error {
	if !w.opts.Preallocate {
		return nil
	}
	for w.guest < end {
		if err := w.setEntry(w.guest, uint64(w.allocateData(w.guest))|flagCopied, 0); err != nil {
			return err
		}
		if err := w.refs.flush(w.oldest()); err != nil {
			return err
		}
	}
	return nil
}

// oldest is the first cluster of the file whose reference count may change.
func (w *writer) oldest() int64 {
	if w.packed != 0 && w.next-w.packed/w.cluster > w.refs.perBlock {
		w.packed = 0 // what is left of that cluster is not worth a block in memory
	}
	if w.packed != 0 {
		return w.packed / w.cluster
	}
	return w.next
}

// allocateBytes gives out n bytes for a compressed cluster: after the last one
// where there is room, as several may share a cluster of the file.
func (w *writer) allocateBytes(n int64) int64 {
	room := -w.packed & (w.cluster - 1) // 0 at the beginning of a cluster, and where there is none
	follows := w.packed+room == w.next*w.cluster
	switch {
	case room == 0, n > room && !follows, w.refs.full(w.packed / w.cluster):
		w.packed = w.next * w.cluster
	case n > 0:
		w.refs.add(w.packed / w.cluster)
	}
	at := w.packed
	w.packed += n
	for w.next*w.cluster < w.packed {
		w.allocate(1)
	}
	return at
}

// packedEntry is the L2 entry of a compressed cluster of n bytes
// (docs/interop/qcow2.txt, "Compressed Clusters Descriptor").
func (w *writer) packedEntry(at, n int64) uint64 {
	shift := 62 - (w.header.clusterBits - 8)
	sectors := (at+n-1)/sectorSize - at/sectorSize // besides the first
	return flagPacked | uint64(sectors)<<shift | uint64(at)
}

// setEntry sets the L2 entry of a cluster of the disk.
func (w *writer) setEntry(cluster int64, entry, bitmap uint64) error {
	h := &w.header
	if index := cluster >> h.l2Bits(); index != w.l2Index {
		if err := w.flushL2(); err != nil {
			return err
		}
		w.l2Index = index
	}
	w.guest = cluster + 1
	at := cluster & (1<<h.l2Bits() - 1) << h.l2EntryBits()
	binary.BigEndian.PutUint64(w.l2[at:], entry)
	if h.extendedL2() && entry&flagPacked == 0 {
		binary.BigEndian.PutUint64(w.l2[at+8:], bitmap)
	}
	return nil
}

// flushL2 writes the L2 table that is being filled, after what it maps.
func (w *writer) flushL2() error {
	if w.l2Index < 0 {
		return nil
	}
	at := w.allocate(1)
	if _, err := w.dst.WriteAt(w.l2, at); err != nil {
		return err
	}
	w.l1[w.l2Index] = uint64(at) | flagCopied
	w.l2Index = -1
	clear(w.l2)
	return nil
}

// finish writes a piece's clusters, those that lie together at once.
func (w *writer) finish(p *qedfile.Piece) error {
	clusters := p.Work.(*pieceWork).clusters
	for i := 0; i < len(clusters); i++ {
		c := clusters[i]
		var b []byte
		switch c.kind {
		case clusterNormal:
			from := int64(i) * w.cluster
			to := min(from+w.cluster, int64(len(p.Bytes)))
			for ; i+1 < len(clusters) && clusters[i+1].kind == clusterNormal && clusters[i+1].host == c.host+to-from; i++ {
				to = min(to+w.cluster, int64(len(p.Bytes)))
			}
			b = p.Bytes[from:to]
		case clusterPacked:
			end := c.at + c.n
			for ; i+1 < len(clusters) && clusters[i+1].kind == clusterPacked && clusters[i+1].host == c.host+end-c.at; i++ {
				end += clusters[i+1].n
			}
			b = p.Packed[c.at:end]
		default:
			continue
		}
		if _, err := w.data.WriteAt(b, c.host); err != nil {
			return err
		}
	}
	return nil
}
