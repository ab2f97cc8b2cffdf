package ntfs

import (
	"errors"
	"fmt"
	"iter"
)

// maxUnit is the most bytes that are compressed together: NTFS does so in 16
// clusters of up to 4 KiB.
const maxUnit = 64 << 10

// unitPieces yields a compressed stream by units: with at -1 for those that
// have no cluster.
func (s *stream) unitPieces(off, end int64) iter.Seq[pieceOf] {
	return func(yield func(pieceOf) bool) {
		size := s.unit * s.v.boot.cluster
		for off < end {
			start := off / size * size
			p := pieceOf{off, min(end, start+size) - off, -1}
			if _, at, _ := s.layout(start); at >= 0 {
				p.at = at
			}
			if !yield(p) {
				return
			}
			off += p.length
		}
	}
}

// layout says how a unit is stored: how many bytes of it, from which byte of
// the volume on, and whether in one piece.
func (s *stream) layout(start int64) (stored, at int64, whole bool) {
	at = -1
	for p := range s.pieces(start, start+s.unit*s.v.boot.cluster) {
		if p.at < 0 {
			break // compressed bytes come first
		}
		if at < 0 {
			at = p.at
		}
		stored += p.length
	}
	return stored, at, stored == s.unit*s.v.boot.cluster
}

// readUnits reads a compressed stream: a unit with all of its clusters is
// stored as it is, one with none is zeroes, any other is compressed.
func (s *stream) readUnits(p []byte, off int64) (int, error) {
	size := s.unit * s.v.boot.cluster
	for done := 0; done < len(p); {
		at := off + int64(done)
		start := at / size * size
		part := p[done:min(int64(len(p)), int64(done)+start+size-at)]
		stored, where, whole := s.layout(start)
		switch {
		case whole:
			if n, err := s.readRuns(part, at); err != nil {
				return done + n, err
			}
		case stored == 0:
			clear(part)
		default:
			b, err := s.unpack(start, stored, where, size)
			if err != nil {
				return done, err
			}
			copy(part, b[at-start:])
		}
		done += len(part)
	}
	return len(p), nil
}

func (s *stream) unpack(start, stored, where, size int64) ([]byte, error) {
	if b := s.v.units.Get(uint64(where)); b != nil && int64(len(b)) == size {
		return b, nil
	}
	packed := make([]byte, stored)
	if _, err := s.readRuns(packed, start); err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if err := lznt1(b, packed); err != nil {
		return nil, damaged("compressed data", where/s.v.boot.cluster, "%v", err)
	}
	s.v.units.Put(uint64(where), b)
	return b, nil
}

var errLZNT1 = errors.New("cut off or inconsistent")

// lznt1 decompresses a unit. Chunks of up to 4 KiB follow each other, with a
// header of their length and whether they are compressed; a header of zero
// ends the unit, and what is left reads as zeroes (MS-XCA, section 2.5).
func lznt1(out, in []byte) error {
	const chunk = 4096
	for start := 0; start < len(out) && len(in) >= 2; start += chunk {
		header := le.Uint16(in)
		if header == 0 {
			return nil
		}
		n := int(header&0x0FFF) + 1
		if len(in) < 2+n {
			return fmt.Errorf("a chunk of %d bytes in %d: %w", n, len(in)-2, errLZNT1)
		}
		to := out[start:min(len(out), start+chunk)]
		if header&0x8000 == 0 {
			copy(to, in[2:2+n])
		} else if err := lznt1Chunk(to, in[2:2+n]); err != nil {
			return err
		}
		in = in[2+n:]
	}
	return nil
}

// lznt1Chunk decompresses a chunk: a byte of flags for eight tokens, each a
// literal byte or a reference back, whose split into distance and length
// depends on how much there is to refer to.
func lznt1Chunk(out, in []byte) error {
	at := 0
	for len(in) > 0 {
		flags := in[0]
		in = in[1:]
		for bit := 0; bit < 8 && len(in) > 0; bit++ {
			if flags>>bit&1 == 0 {
				if at == len(out) {
					return errLZNT1
				}
				out[at] = in[0]
				at++
				in = in[1:]
				continue
			}
			if len(in) < 2 || at == 0 {
				return errLZNT1
			}
			shift := 12
			for i := at - 1; i >= 16; i >>= 1 {
				shift--
			}
			token := int(le.Uint16(in))
			in = in[2:]
			distance, length := token>>shift+1, token&(1<<shift-1)+3
			if distance > at || length > len(out)-at {
				return errLZNT1
			}
			for range length { // the two may overlap: a byte at a time
				out[at] = out[at-distance]
				at++
			}
		}
	}
	return nil
}
