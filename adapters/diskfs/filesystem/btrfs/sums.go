package btrfs

import (
	"math"
	"sort"
)

const (
	sumTree    = 7
	sumObject  = ^uint64(9) // -10 (BTRFS_EXTENT_CSUM_OBJECTID)
	sumItem    = 128        // BTRFS_EXTENT_CSUM_KEY
	noChecksum = 1 << 0     // flag of an inode (BTRFS_INODE_NODATASUM)
)

// sumRun is the checksums of sectors that lie one after another.
type sumRun struct {
	from, to uint64 // logical addresses
	sums     []byte
}

// sumsOf returns the run of an item of the checksum tree, or of a log.
func (v *volume) sumsOf(it item) (sumRun, error) {
	size := uint64(v.sb.sum.size)
	sectors := uint64(len(it.data)) / size
	if uint64(len(it.data))%size != 0 || it.key.offset > math.MaxInt64 || it.key.offset%uint64(v.sb.sectorSize) != 0 {
		return sumRun{}, damaged("checksum tree", int64(it.key.offset), "%d bytes of checksums", len(it.data))
	}
	return sumRun{it.key.offset, it.key.offset + sectors*uint64(v.sb.sectorSize), it.data}, nil
}

// at returns the checksums from an address on, nil if the run has none of it.
func (r *sumRun) at(logical uint64, sb *superblock) []byte {
	if r == nil || logical < r.from || logical >= r.to {
		return nil
	}
	return r.sums[(logical-r.from)/uint64(sb.sectorSize)*uint64(sb.sum.size):]
}

// sums returns the checksums of at least one sector from an address on, nil if
// there are none. Those of a log stand for what was written after the last
// commit, and come first.
func (v *volume) sums(logical uint64) ([]byte, error) {
	logged, until := v.logSums.at(logical, v.sb)
	if logged != nil {
		return logged, nil
	}
	run := v.lastSums.Load()
	b := run.at(logical, v.sb)
	if b == nil {
		t, err := v.subvolume(sumTree)
		if err != nil {
			return nil, err
		}
		it, ok, err := v.floor(t, key{sumObject, sumItem, 0}, key{sumObject, sumItem, logical})
		if err != nil || !ok {
			return nil, err
		}
		found, err := v.sumsOf(it)
		if err != nil {
			return nil, err
		}
		v.lastSums.Store(&found)
		b = found.at(logical, v.sb)
	}
	return upTo(b, logical, until, v.sb), nil
}

// loggedSums are the checksums of a log, in the order of their addresses. A log
// may have an address twice; the kernel puts them into the checksum tree one
// after another, so that the last one counts.
type loggedSums struct{ runs []sumRun }

func (l *loggedSums) add(r sumRun) {
	if r.from < r.to {
		l.runs = append(l.runs, r)
	}
}

// sort makes the runs ready to be asked.
func (l *loggedSums) sort() {
	sort.SliceStable(l.runs, func(i, j int) bool { return l.runs[i].from < l.runs[j].from })
}

// at returns the checksums from an address on, and where the next logged ones
// begin. A run may reach into the one after it, or beyond that.
func (l *loggedSums) at(logical uint64, sb *superblock) (sums []byte, until uint64) {
	i := sort.Search(len(l.runs), func(i int) bool { return l.runs[i].from > logical })
	until = math.MaxUint64
	if i < len(l.runs) {
		until = l.runs[i].from
	}
	for j := i - 1; j >= 0 && j >= i-maxReach && sums == nil; j-- {
		sums = l.runs[j].at(logical, sb)
	}
	return upTo(sums, logical, until, sb), until
}

// maxReach is how many runs of a log may reach into each other.
const maxReach = 8

// upTo limits checksums from an address on to those up to another.
func upTo(sums []byte, logical, until uint64, sb *superblock) []byte {
	sectors := (until - logical) / uint64(sb.sectorSize)
	if most := sectors * uint64(sb.sum.size); uint64(len(sums)) > most {
		return sums[:most]
	}
	return sums
}
