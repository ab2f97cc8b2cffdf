package btrfs

import (
	"bytes"
	"math"
)

// putExtent puts a logged extent in place of what the file had there. A hole
// is logged too, and without the feature no-holes it is stored.
func (r *replay) putExtent(it item) error {
	ino, start := it.key.object, it.key.offset
	end, err := r.extentEnd(it)
	if err != nil {
		return err
	}
	if old, ok, err := r.v.get(r.sub, it.key); err != nil || ok && bytes.Equal(old.data, it.data) {
		return err
	}
	if inode, err := r.inode(ino); err != nil || inode == nil {
		return err
	}
	if err := r.dropExtents(ino, start, end); err != nil {
		return err
	}
	if r.v.sb.noHoles && it.data[20] == kindRegular && le.Uint64(it.data[21:]) == 0 {
		return nil
	}
	return r.set(it.key, bytes.Clone(it.data))
}

// putSums keeps the checksums of what was written after the last commit. The
// checksum tree has those of what was there before.
func (r *replay) putSums(it item) error {
	if it.key.object != sumObject {
		return nil
	}
	run, err := r.v.sumsOf(item{it.key, bytes.Clone(it.data)})
	if err != nil {
		return err
	}
	if r.sub.changes.held += len(it.data) + changeWeight; r.sub.changes.held > maxChanged {
		return errTooManyChanges
	}
	r.v.logSums.add(run)
	return nil
}

// extentEnd is the first byte after an extent, which takes whole sectors.
func (r *replay) extentEnd(it item) (uint64, error) {
	b := it.data
	if len(b) < extentHeader || it.key.offset > math.MaxInt64 {
		return 0, damaged("log tree", -1, "extent %s of %d bytes", it.key, len(b))
	}
	length, sector := le.Uint64(b[8:]), uint64(r.v.sb.sectorSize)
	if b[20] != kindInline {
		if len(b) < extentSize {
			return 0, damaged("log tree", -1, "extent %s of %d bytes", it.key, len(b))
		}
		length = le.Uint64(b[45:])
	}
	if length > math.MaxInt64-sector {
		return 0, damaged("log tree", -1, "extent %s of %d bytes", it.key, length)
	}
	return (it.key.offset + length + sector - 1) / sector * sector, nil
}

// dropExtents cuts [start, end) out of a file's extents (btrfs_drop_extents).
func (r *replay) dropExtents(ino, start, end uint64) error {
	low := key{ino, extentData, 0}
	first, ok, err := r.v.floor(r.sub, low, key{ino, extentData, start})
	if err != nil {
		return err
	}
	if ok {
		low = first.key
	}
	if start >= end {
		return nil
	}
	for it, err := range r.v.scan(r.sub, low, key{ino, extentData, end - 1}) {
		if err != nil {
			return err
		}
		itsEnd, err := r.extentEnd(it)
		if err != nil {
			return err
		}
		if itsEnd <= start {
			continue
		}
		if err := r.cutExtent(it, itsEnd, start, end); err != nil {
			return err
		}
	}
	return nil
}

// cutExtent leaves of an extent what lies before start and from end on. One
// that is inline is never longer than a sector, and goes whole.
func (r *replay) cutExtent(it item, itsEnd, start, end uint64) error {
	if err := r.set(it.key, nil); err != nil || it.data[20] == kindInline {
		return err
	}
	begin := it.key.offset
	if begin < start {
		head := bytes.Clone(it.data)
		le.PutUint64(head[45:], start-begin)
		if err := r.set(it.key, head); err != nil {
			return err
		}
	}
	if itsEnd <= end {
		return nil
	}
	rest := bytes.Clone(it.data)
	le.PutUint64(rest[37:], le.Uint64(rest[37:])+end-begin)
	le.PutUint64(rest[45:], itsEnd-end)
	return r.set(key{it.key.object, extentData, end}, rest)
}

// allocated is how many bytes a file's extents take, as its inode says.
func (r *replay) allocated(ino uint64) (uint64, error) {
	sum := uint64(0)
	for it, err := range r.v.scan(r.sub, key{ino, extentData, 0}, key{ino, extentData, ^uint64(0)}) {
		if err != nil {
			return 0, err
		}
		if _, err := r.extentEnd(it); err != nil {
			return 0, err
		}
		switch {
		case it.data[20] == kindInline:
			sum += le.Uint64(it.data[8:])
		case le.Uint64(it.data[21:]) != 0:
			sum += le.Uint64(it.data[45:])
		}
	}
	return sum, nil
}
