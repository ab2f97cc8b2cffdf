package qcow2

import (
	"encoding/binary"

	"github.com/qedfs/qedfs/adapters/images/layer"
)

// maxRefcountTable is the most that QEMU reads of a refcount table, in bytes.
const maxRefcountTable = 8 << 20

// refcounts are the reference counts of an image that is being written. As
// clusters are given out in their order, one block of counts is being filled
// at a time; the one before it gets a cluster and is written when that is next
// possible.
type refcounts struct {
	w        *writer
	perBlock int64 // counts of a block
	bits     int64 // of a count

	blocks [][]byte // those not written yet, from number first on
	first  int64
	table  []uint64 // places of those that are written

	tableAt, tableClusters int64
}

func newRefcounts(w *writer) refcounts {
	bits := int64(w.opts.RefcountBits)
	return refcounts{w: w, perBlock: w.opts.ClusterSize * 8 / bits, bits: bits}
}

// max is the largest count.
func (r *refcounts) max() uint64 { return 1<<r.bits - 1 }

// add counts one more reference to a cluster, which is one of those whose
// block is not written yet.
func (r *refcounts) add(cluster int64) {
	b := r.block(cluster)
	i := cluster % r.perBlock
	if r.bits < 8 {
		b[i*r.bits/8] += 1 << (i * r.bits % 8)
		return
	}
	r.put(b, i, r.get(b, i)+1)
}

// full reports whether a cluster cannot be referred to once more.
func (r *refcounts) full(cluster int64) bool {
	b := r.block(cluster)
	i := cluster % r.perBlock
	if r.bits < 8 {
		mask := byte(1)<<r.bits - 1
		return b[i*r.bits/8]>>(i*r.bits%8)&mask == mask
	}
	return r.get(b, i) == r.max()
}

func (r *refcounts) get(b []byte, i int64) uint64 {
	switch r.bits {
	case 8:
		return uint64(b[i])
	case 16:
		return uint64(binary.BigEndian.Uint16(b[2*i:]))
	case 32:
		return uint64(binary.BigEndian.Uint32(b[4*i:]))
	}
	return binary.BigEndian.Uint64(b[8*i:])
}

func (r *refcounts) put(b []byte, i int64, v uint64) {
	switch r.bits {
	case 8:
		b[i] = byte(v)
	case 16:
		binary.BigEndian.PutUint16(b[2*i:], uint16(v))
	case 32:
		binary.BigEndian.PutUint32(b[4*i:], uint32(v))
	default:
		binary.BigEndian.PutUint64(b[8*i:], v)
	}
}

// block is the block that counts the references to a cluster.
func (r *refcounts) block(cluster int64) []byte {
	i := cluster/r.perBlock - r.first
	for int64(len(r.blocks)) <= i {
		r.blocks = append(r.blocks, make([]byte, r.w.cluster))
	}
	return r.blocks[i]
}

// flush writes the blocks that will not change any more: those before the one
// of the cluster from.
func (r *refcounts) flush(from int64) error {
	for len(r.blocks) > 0 && (r.first+1)*r.perBlock <= from {
		if err := r.write(r.w.allocate(1)); err != nil {
			return err
		}
	}
	return nil
}

// write writes the first block to its place.
func (r *refcounts) write(at int64) error {
	_, err := r.w.dst.WriteAt(r.blocks[0], at)
	r.table = append(r.table, uint64(at))
	r.blocks = r.blocks[1:]
	r.first++
	return err
}

// close gives places to the table and to the blocks that are left, which count
// themselves too, and writes them.
func (r *refcounts) close() error {
	blocks := r.first + int64(len(r.blocks))
	for {
		end := r.w.next + r.tableClusters + blocks - r.first // after the table and these blocks
		need := (end + r.perBlock - 1) / r.perBlock
		tableClusters := (need*entrySize + r.w.cluster - 1) / r.w.cluster
		if need <= blocks && tableClusters == r.tableClusters {
			break
		}
		blocks, r.tableClusters = max(need, blocks), tableClusters
	}
	if r.tableClusters*r.w.cluster > maxRefcountTable {
		return layer.Unsupported(format, "an image of %d clusters of %d bytes: its refcount table is too large", r.w.next, r.w.cluster)
	}
	r.tableAt = r.w.allocate(r.tableClusters)
	at := r.w.allocate(blocks - r.first)
	for len(r.blocks) > 0 {
		if err := r.write(at); err != nil {
			return err
		}
		at += r.w.cluster
	}
	table := make([]byte, r.tableClusters*r.w.cluster)
	for i, at := range r.table {
		binary.BigEndian.PutUint64(table[i*entrySize:], at)
	}
	_, err := r.w.dst.WriteAt(table, r.tableAt)
	return err
}
