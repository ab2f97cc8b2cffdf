package qedfile

import (
	"context"
)

// Measurement is how many bytes an image's file needs.
type Measurement struct {
	Required       int64 // for what the disk stores now
	FullyAllocated int64 // when every cluster is written
}

// Measure tells how long the file of a new QED image would be that holds what
// the disk src stores, with the geometry and the name of a backing file in opts
// (nil for the defaults); nothing is opened, so the other options do not matter.
// It does not read data: zeroes that src stores are counted, although Convert
// leaves them out. A raw file needs src.Size() bytes for both.
func Measure(ctx context.Context, src Disk, opts *CreateOptions) (Measurement, error) {
	h, err := opts.header(src.Size())
	if err != nil {
		return Measurement{}, err
	}
	var count struct{ clusters, tables int64 }
	nextCluster, nextTable := int64(0), int64(0) // the first that is not counted yet
	for s, err := range spans(ctx, src, 0, src.Size()) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return Measurement{}, failed("measure", err)
		}
		if !s.data {
			continue
		}
		first := max(s.off/h.ClusterSize, nextCluster)
		nextCluster = (s.off+s.n-1)/h.ClusterSize + 1
		count.clusters += nextCluster - first
		firstTable := max(s.off/h.ClusterSize/h.entries(), nextTable)
		nextTable = (nextCluster-1)/h.entries() + 1
		count.tables += nextTable - firstTable
	}
	required, err := h.fileSize(count.clusters, count.tables)
	if err != nil {
		return Measurement{}, err
	}
	clusters := divideUp(src.Size(), h.ClusterSize)
	full, err := h.fileSize(clusters, divideUp(clusters, h.entries()))
	return Measurement{required, full}, err
}

// fileSize is the length of a file with so many data clusters and L2 tables.
func (h *Header) fileSize(clusters, tables int64) (int64, error) {
	n := h.HeaderSize + h.TableSize*(1+tables) + clusters
	if n > maxFileSize/h.ClusterSize {
		return 0, errorf("a file of %d clusters of %d bytes is not possible", n, h.ClusterSize)
	}
	return n * h.ClusterSize, nil
}

func divideUp(n, unit int64) int64 {
	if n == 0 {
		return 0
	}
	return (n-1)/unit + 1
}
