package btrfs

import (
	"fmt"
	"sync"
)

// maxScratch is up to which length data that begin or end within a sector are
// read at once into memory of their own, with all of their sectors. To copy more
// takes longer than another read.
const maxScratch = 64 << 10

// scratch has buffers for that.
type scratch struct{ pool sync.Pool }

func (s *scratch) get(n int64) *[]byte {
	b, ok := s.pool.Get().(*[]byte)
	if !ok || int64(cap(*b)) < n {
		b = new([]byte)
		*b = make([]byte, n)
	}
	*b = (*b)[:n]
	return b
}

// readData reads data at a logical address, and verifies the checksum of each
// sector of it if verify says so. As many bytes are good as it returns.
func (v *volume) readData(p []byte, at uint64, verify bool) (int, error) {
	if !verify {
		return v.read(p, at)
	}
	sector := uint64(v.sb.sectorSize)
	from, to := at/sector*sector, (at+uint64(len(p))+sector-1)/sector*sector
	switch {
	case from == at && to == at+uint64(len(p)):
		return v.readSectors(p, at)
	case to-from <= maxScratch:
		return v.readPart(p, at, from, to)
	}
	// The sectors that are asked for in part are read by themselves.
	done := 0
	for done < len(p) {
		begin, n := at+uint64(done), uint64(len(p)-done)
		var k int
		var err error
		switch {
		case begin%sector != 0:
			n = sector - begin%sector
			fallthrough
		case n < sector:
			from := begin / sector * sector
			k, err = v.readPart(p[done:done+int(n)], begin, from, from+sector)
		default:
			k, err = v.readSectors(p[done:done+int(n/sector*sector)], begin)
		}
		if done += k; err != nil {
			return done, err
		}
	}
	return done, nil
}

// readPart reads the sectors in [from, to), and of them p, which begins at an
// address.
func (v *volume) readPart(p []byte, at, from, to uint64) (int, error) {
	b := v.scratch.get(int64(to - from))
	defer v.scratch.pool.Put(b)
	n, err := v.readSectors(*b, from)
	skip := int(at - from)
	if n <= skip {
		return 0, err
	}
	if got := copy(p, (*b)[skip:n]); got < len(p) {
		return got, err
	}
	return len(p), nil
}

// readSectors reads whole sectors.
func (v *volume) readSectors(p []byte, at uint64) (int, error) {
	n, failed := v.read(p, at)
	n -= n % int(v.sb.sectorSize)
	for done := 0; done < n; {
		k, err := v.verify(p[done:n], at+uint64(done))
		if done += k; err != nil {
			return done, err
		}
	}
	return n, failed
}

// verify compares sectors with their checksums, as far as these are found
// together; at least one. Where a sector does not have the one that is stored
// another copy of it is taken.
func (v *volume) verify(p []byte, at uint64) (int, error) {
	sums, err := v.sums(at)
	if err != nil {
		return 0, fmt.Errorf("the checksum of the data at %d: %w", at, err)
	}
	if len(sums) == 0 {
		return 0, damaged("data", int64(at), "no checksum is stored for it")
	}
	sector, size := int(v.sb.sectorSize), v.sb.sum.size
	done := 0
	for ; done < len(p) && len(sums) > 0; done += sector {
		b, stored := p[done:done+sector], sums[:size]
		if !v.sb.sum.fits(b, stored) {
			if err := v.goodCopy(b, at+uint64(done), stored); err != nil {
				return done, err
			}
		}
		sums = sums[size:]
	}
	return done, nil
}

// goodCopy fills b with the copy of a sector that has a checksum.
func (v *volume) goodCopy(b []byte, at uint64, stored []byte) error {
	return v.another(b, at, func() error {
		if !v.sb.sum.fits(b, stored) {
			return damaged("data", int64(at), "checksum does not match")
		}
		return nil
	})
}
