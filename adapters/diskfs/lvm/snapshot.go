package lvm

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// snapshot is one of the old style: its volume stores what an origin had, or
// what was written to the snapshot, chunk by chunk. The format is that of
// drivers/md/dm-snap-persistent.c:
//
//	chunk 0: header | 1: exceptions of area 0 | chunks of area 0 | exceptions ...
type snapshot struct {
	origin string
	stored int64 // bytes of the volume that stores
}

const (
	snapshotMagic = 0x70416e53
	minChunk      = 4 << 10
	maxChunk      = 512 << 10 // that lvcreate takes
)

// addSnapshot makes a volume the snapshot that it stores.
func (g *Group) addSnapshot(store string, seg *section) {
	v := g.logical[store]
	if v == nil {
		return
	}
	v.snapshot = &snapshot{origin: seg.str("origin"), stored: v.Size}
	count, err := seg.number("extent_count", math.MaxInt64/g.ExtentSize)
	if err != nil && v.err == nil {
		v.err = fmt.Errorf("lvm: snapshot %s: %w", store, err)
	}
	v.Size = count * g.ExtentSize
}

// exception is a chunk of the origin that lies in the store.
type exception struct{ chunk, stored uint64 }

func (s *snapshot) open(o *opener, v *Volume, store io.ReaderAt, depth int) (io.ReaderAt, error) {
	fail := func(err error) (io.ReaderAt, error) {
		return nil, fmt.Errorf("volume %s: %w", v.Name, err)
	}
	if o.g.logical[s.origin] == v {
		return fail(errors.New("lvm: a snapshot of itself"))
	}
	origin, size, err := o.named(s.origin, depth)
	if err != nil {
		return fail(err)
	}
	if size < v.Size {
		return fail(fmt.Errorf("lvm: it has %d bytes, and its origin %s only %d", v.Size, s.origin, size))
	}
	b := make([]byte, 16)
	if err := readFull(store, b, 0); err != nil {
		return fail(err)
	}
	chunk := fromSectors(uint64(le.Uint32(b[12:])))
	switch {
	case le.Uint32(b) == 0:
		// Nothing was ever written to the origin or to the snapshot.
		return origin, nil
	case le.Uint32(b) != snapshotMagic || le.Uint32(b[8:]) != 1:
		return fail(errors.New("lvm: the header of the snapshot is damaged"))
	case le.Uint32(b[4:]) == 0:
		return fail(errors.New("lvm: the snapshot is invalid: its store was full when something was written"))
	case chunk < minChunk || chunk > maxChunk || chunk&(chunk-1) != 0:
		return fail(fmt.Errorf("lvm: chunks of %d bytes", chunk))
	}
	list, err := s.exceptions(store, chunk)
	if err != nil {
		return fail(err)
	}
	return &snapshotReader{origin, store, chunk, list}, nil
}

// exceptions reads the list, which ends where a stored chunk is 0. It has no
// length that could be claimed: memory follows what is read.
func (s *snapshot) exceptions(store io.ReaderAt, chunk int64) ([]exception, error) {
	var list []exception
	b := make([]byte, chunk)
	chunks, perArea := uint64(s.stored/chunk), uint64(chunk/16)
	for area := uint64(0); ; area++ {
		at := 1 + area*(perArea+1)
		if at >= chunks {
			break // the last area ends with the store
		}
		if err := readFull(store, b, int64(at)*chunk); err != nil {
			return nil, err
		}
		for e := b; len(e) > 0; e = e[16:] {
			x := exception{le.Uint64(e), le.Uint64(e[8:])}
			if x.stored == 0 {
				return sorted(list)
			}
			if x.stored >= chunks {
				return nil, fmt.Errorf("lvm: chunk %d of the origin is said to be in chunk %d of %d", x.chunk, x.stored, chunks)
			}
			list = append(list, x)
		}
	}
	return sorted(list)
}

func sorted(list []exception) ([]exception, error) {
	slices.SortFunc(list, func(a, b exception) int { return cmp.Compare(a.chunk, b.chunk) })
	for i := 1; i < len(list); i++ {
		if list[i].chunk == list[i-1].chunk {
			return nil, fmt.Errorf("lvm: chunk %d of the origin is stored twice", list[i].chunk)
		}
	}
	return list, nil
}

type snapshotReader struct {
	origin, store io.ReaderAt
	chunk         int64
	exceptions    []exception
}

func (s *snapshotReader) ReadAt(p []byte, off int64) (int, error) {
	return readChunks(p, off, s.chunk, func(p []byte, chunk, inside int64) error {
		i, found := slices.BinarySearchFunc(s.exceptions, uint64(chunk), func(e exception, chunk uint64) int { return cmp.Compare(e.chunk, chunk) })
		if !found {
			return readFull(s.origin, p, chunk*s.chunk+inside)
		}
		return readFull(s.store, p, int64(s.exceptions[i].stored)*s.chunk+inside)
	})
}

// readChunks reads chunk by chunk; each may be stored elsewhere.
func readChunks(p []byte, off, chunk int64, read func(p []byte, chunk, inside int64) error) (int, error) {
	done := 0
	for done < len(p) {
		at := off + int64(done)
		n := int(min(int64(len(p)-done), chunk-at%chunk))
		if err := read(p[done:done+n], at/chunk, at%chunk); err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}
