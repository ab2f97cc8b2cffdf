package qcow2

import "github.com/qedfs/qedfs/backend"

// maxCounted is how many reference counts are looked at, those of 4 TiB in
// clusters of 64 KiB: a map is to begin before long, whatever the counts say.
const maxCounted = 1 << 26

// lookForHoles reports whether the file has far more clusters in use than
// space on the host's disk: tables that were filled before there was data, as
// preallocation does, or data that begins and ends inside of clusters. QEMU's map
// looks for holes of the file then, and only then (block/qcow2-refcount.c,
// qcow2_detect_metadata_preallocation).
func (m *Image) lookForHoles() bool {
	space, err := backend.Space(m.r)
	if err != nil {
		return false
	}
	taken := space >> m.header.clusterBits
	threshold := max(taken*10/9, taken+2)
	clusters, inUse := clustersOf(m.fileSize, m.header), int64(0)
	counts := newStoredCounts(m)
	for i := int64(0); i < min(clusters, maxCounted) && clusters-i >= threshold-inUse; i++ {
		n, err := counts.get(i)
		if err != nil {
			return false
		}
		if n > 0 {
			inUse++
		}
		if inUse >= threshold {
			return true
		}
	}
	return false
}
