package qcow2

import (
	"context"
	"math/bits"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/qedfile"
)

// A Measurement is how many bytes a new image's files need.
type Measurement struct {
	Required       int64 // for what the disk stores now
	FullyAllocated int64 // when every cluster is written

	// Bitmaps is what copies of the source's bitmaps would need besides. HasBitmaps
	// tells whether both the source and the new image can have any.
	Bitmaps    int64
	HasBitmaps bool
}

// Measure tells how large the files of a new image would be that holds what
// the disk src stores, as "qemu-img measure" does: without compression, with
// the tables of a full image, and without reading data. With the name of a
// backing file in opts all of the disk is counted. Options that do not go
// together are an error as in [Write].
func Measure(ctx context.Context, src qedfile.Disk, opts *WriteOptions) (*Measurement, error) {
	o := WriteOptions{}
	if opts != nil {
		o = *opts
	}
	o.setDefaults()
	o.DataFileName, o.DataFileRaw, o.Preallocate = "", false, false // the sum is the same
	if err := o.check(); err != nil {
		return nil, err
	}
	h := header{clusterBits: uint(bits.TrailingZeros64(uint64(o.ClusterSize))), refcountOrder: uint(bits.TrailingZeros(uint(o.RefcountBits)))}
	if o.ExtendedL2 {
		h.incompatible = featureExtendedL2
	}
	h.size = layer.RoundUp(src.Size(), o.ClusterSize)
	if h.size%o.ClusterSize != 0 || h.neededL1(h.size) > maxL1Entries {
		return nil, layer.Unsupported(format, "a disk of %d bytes in clusters of %d", src.Size(), o.ClusterSize)
	}
	stored := h.size
	if o.BackingFile == "" {
		var err error
		if stored, err = storedClusters(ctx, src, o.ClusterSize); err != nil {
			return nil, err
		}
	}
	m := &Measurement{FullyAllocated: h.fullSize()}
	m.Required = m.FullyAllocated - h.size + stored
	if img, ok := src.(*Image); ok && img.header.version >= 3 && o.Version >= 3 {
		var err error
		m.HasBitmaps = true
		if m.Bitmaps, err = img.bitmapsSize(o.ClusterSize); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// storedClusters is how many bytes the clusters have that hold data.
func storedClusters(ctx context.Context, src qedfile.Disk, cluster int64) (int64, error) {
	mapper, ok := src.(qedfile.Mapper)
	if !ok {
		return layer.RoundUp(src.Size(), cluster), nil
	}
	total, next := int64(0), int64(0) // the first cluster that is not counted yet
	for e, err := range mapper.Extents(0, src.Size()) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return 0, err
		}
		if e.Kind != qedfile.Data {
			continue
		}
		first := max(e.Start/cluster, next)
		next = (e.Start+e.Length-1)/cluster + 1
		total += next - first
	}
	return total * cluster, nil
}

// fullSize is how large a file is with all clusters of the disk, whose size is
// a multiple of theirs, as QEMU computes it (block/qcow2.c,
// qcow2_calc_prealloc_size).
func (h *header) fullSize() int64 {
	cluster := h.clusterSize()
	l2 := layer.RoundUp(h.size>>h.clusterBits, 1<<h.l2Bits()) << h.l2EntryBits()
	l1 := layer.RoundUp(l2>>h.clusterBits, cluster/entrySize) * entrySize
	used := (cluster + l2 + l1 + h.size) >> h.clusterBits
	return (used + h.countingClusters(used)) << h.clusterBits
}

// countingClusters is how many clusters the refcount table and its blocks take
// that count themselves and n clusters more.
func (h *header) countingClusters(n int64) int64 {
	cluster := h.clusterSize()
	perBlock := cluster * 8 >> h.refcountOrder
	table, blocks, last := int64(0), int64(0), int64(-1)
	for table+blocks != last {
		last = table + blocks
		blocks = layer.RoundUp(n+last, perBlock) / perBlock
		table = layer.RoundUp(blocks, cluster/entrySize) / (cluster / entrySize)
	}
	return table + blocks
}

// bitmapsSize is what copies of the image's bitmaps take in clusters of a
// size, with their tables and the directory (block/qcow2-bitmap.c,
// qcow2_get_persistent_dirty_bitmap_size). Those in use are not copied.
func (m *Image) bitmapsSize(cluster int64) (int64, error) {
	list, err := m.readBitmaps()
	if err != nil {
		return 0, err
	}
	total, directory := int64(0), int64(0)
	for _, b := range list {
		if b.flags&bitmapInUse != 0 {
			continue
		}
		bytes := ((m.header.size-1)>>b.granularity + 8) / 8
		clusters := layer.RoundUp(bytes, cluster) / cluster
		total += clusters*cluster + layer.RoundUp(clusters*entrySize, cluster)
		directory += layer.RoundUp(24+int64(len(b.name)), 8)
	}
	return total + layer.RoundUp(directory, cluster), nil
}
