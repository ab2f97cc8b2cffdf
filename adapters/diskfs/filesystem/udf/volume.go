package udf

import (
	"errors"
	"fmt"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// volume is what is read of a volume's descriptors.
type volume struct {
	cache      *fstree.Cache
	bs         int64 // bytes of a block
	bits       uint
	label      string
	parts      []partition // by reference number
	fileSet    address
	free, size int64 // bytes; free is -1 where it is not known
	end        int64 // block after the last one of a partition
	freeErr    error // why free is not known
	dirty      bool
	notes      []string
}

// maxDescriptors bounds how many blocks of descriptors are read: real volumes have
// 16.
const maxDescriptors = 4096

// block reads a block of the volume.
func (v *volume) block(n int64) ([]byte, error) {
	if n < 0 || n >= v.cache.Size()>>v.bits {
		return nil, damage("volume", n, "outside the volume")
	}
	return v.cache.Bytes(n<<v.bits, v.bs)
}

// open finds the anchor, and by it everything else.
func (v *volume) open() error {
	anchors, err := v.findAnchors()
	if err != nil {
		return err
	}
	if len(anchors) == 0 {
		return fmt.Errorf("udf: %w", fstree.ErrNotThis)
	}
	var failed error
	for i, a := range anchors {
		seq, err := v.readSequence(a)
		if err == nil {
			err = v.use(seq)
		}
		if err == nil {
			if i > 0 {
				v.notes = append(v.notes, fmt.Sprintf("copies of the volume's descriptors are used: %v", failed))
			}
			return nil
		}
		if failed == nil {
			failed = err
		}
	}
	return failed
}

// span is a run of blocks of the volume (extent_ad).
type span struct {
	length, block uint32 // bytes, block
}

// findAnchors returns the sequences that the anchors name, in the order in which
// they are tried. The size of a block is the one for which an anchor lies where
// it says: at block 256, at the last one or 256 before that.
func (v *volume) findAnchors() (_ []span, failed error) {
	for _, v.bits = range []uint{11, 9, 12, 10} {
		v.bs = 1 << v.bits
		last := v.cache.Size()>>v.bits - 1
		var main, reserve []span
		for _, at := range []int64{256, last, last - 256, 512} {
			b, err := v.block(at)
			if err != nil && !errors.Is(err, fstree.ErrDamaged) {
				failed = err
			}
			if err != nil || at != int64(uint32(at)) || checkTag(b, uint32(at), tagAnchor) != "" {
				continue
			}
			main = append(main, span{le.Uint32(b[16:]), le.Uint32(b[20:])})
			reserve = append(reserve, span{le.Uint32(b[24:]), le.Uint32(b[28:])})
		}
		if len(main) > 0 {
			return []span{main[0], reserve[0], main[len(main)-1], reserve[len(main)-1]}, nil
		}
	}
	return nil, failed
}

// sequence is the prevailing descriptors of a volume descriptor sequence.
type sequence struct {
	logical     []byte
	partitions  map[uint16][]byte
	logicalSeq  uint32
	partitionsN map[uint16]uint32
}

func (v *volume) readSequence(at span) (*sequence, error) {
	s := &sequence{partitions: map[uint16][]byte{}, partitionsN: map[uint16]uint32{}}
	left := int64(at.length) >> v.bits
	for block := int64(at.block); left > 0; {
		if len(s.partitions) > 64 {
			return nil, damage("volume descriptor sequence", block, "too many partitions")
		}
		left = min(left, maxDescriptors)
		b, err := v.block(block)
		if err != nil {
			return nil, err
		}
		if kind := le.Uint16(b); kind == 0 {
			break // as the end
		}
		if why := checkTag(b, uint32(block), 1, tagPointer, 4, tagPartition, tagLogicalVolume, 7, tagTerminating); why != "" {
			return nil, damage("volume descriptor", block, why)
		}
		block++
		left--
		number := le.Uint32(b[16:])
		switch le.Uint16(b) {
		case tagTerminating:
			left = 0
		case tagPointer:
			next := span{le.Uint32(b[20:]), le.Uint32(b[24:])}
			if int64(next.block) < block && int64(next.block) >= int64(at.block) {
				return nil, damage("volume descriptor pointer", block-1, "leads back")
			}
			at = next
			block, left = int64(next.block), min(int64(next.length)>>v.bits, left+maxDescriptors/64)
		case tagPartition:
			n := le.Uint16(b[22:])
			if s.partitions[n] == nil || number >= s.partitionsN[n] {
				s.partitions[n], s.partitionsN[n] = b, number
			}
		case tagLogicalVolume:
			if s.logical == nil || number >= s.logicalSeq {
				s.logical, s.logicalSeq = b, number
			}
		}
	}
	if s.logical == nil || len(s.partitions) == 0 {
		return nil, damage("volume descriptor sequence", int64(at.block), "no logical volume, or no partition")
	}
	return s, nil
}

// use sets up the partitions of a sequence.
func (v *volume) use(s *sequence) error {
	b := s.logical
	if size := le.Uint32(b[212:]); int64(size) != v.bs {
		return damage("logical volume descriptor", -1, fmt.Sprintf("blocks of %d bytes on sectors of %d", size, v.bs))
	}
	if id := string(b[217:240]); !strings.HasPrefix(id, "*OSTA UDF Compliant") {
		return fmt.Errorf("udf: domain %q: %w", strings.TrimRight(id, "\x00"), fstree.ErrUnsupported)
	}
	v.parts, v.size, v.end, v.free = nil, 0, 0, -1
	v.label = field(b[84 : 84+128])
	fsd := extentLong(b[248:])
	v.fileSet = fsd.address
	table := b[440:min(int64(440)+int64(le.Uint32(b[264:])), v.bs)]
	for range min(le.Uint32(b[268:]), 64) {
		if len(table) < 2 || int(table[1]) > len(table) || table[1] < 6 {
			return damage("partition maps", -1, "end early")
		}
		p, err := v.partition(table[:table[1]], s)
		if err != nil {
			return err
		}
		v.parts = append(v.parts, p)
		table = table[table[1]:]
	}
	for _, p := range v.parts {
		if m, ok := p.(*metadata); ok {
			if err := m.load(v); err != nil {
				return err
			}
		}
		if m, ok := p.(*virtual); ok {
			if err := m.load(v); err != nil {
				return err
			}
		}
	}
	v.integrity(span{le.Uint32(b[432:]), le.Uint32(b[436:])})
	set, err := v.descriptor("file set descriptor", v.fileSet, tagFileSet)
	if err != nil {
		return err
	}
	v.fileSet = extentLong(set[400:]).address // from here on the root directory
	return nil
}

// integrity reads how much is free, and whether the volume was closed, in the last
// of the integrity descriptors. Nothing else depends on them.
func (v *volume) integrity(at span) {
	v.freeErr = errors.New("udf: no integrity descriptor that is sound")
	for range 1024 {
		if int64(at.length) < v.bs {
			return
		}
		b, err := v.block(int64(at.block))
		if err != nil {
			v.freeErr = err // what came before may be out of date
			return
		}
		if checkTag(b, at.block, tagIntegrity) != "" {
			return
		}
		v.dirty, v.free, v.freeErr = le.Uint32(b[28:]) == 0, 0, nil
		n := int64(le.Uint32(b[72:]))
		for i := range min(n, (v.bs-80)/8) {
			if f := le.Uint32(b[80+4*i:]); f != 1<<32-1 {
				v.free += int64(f) << v.bits
			}
		}
		if next := (span{le.Uint32(b[32:]), le.Uint32(b[36:])}); next.length > 0 {
			at = next
		} else {
			at = span{at.length - uint32(v.bs), at.block + 1}
		}
	}
}

// descriptor reads a descriptor of one block in a partition.
func (v *volume) descriptor(what string, at address, kinds ...uint16) ([]byte, error) {
	off, err := v.locate(at)
	if err != nil {
		return nil, err
	}
	b, err := v.cache.Bytes(off, v.bs)
	if err != nil {
		return nil, fmt.Errorf("udf: %s: %w", what, err)
	}
	if why := checkTag(b, at.block, kinds...); why != "" {
		return nil, damage(what, off>>v.bits, why)
	}
	return b, nil
}

// locate returns the byte of the volume where a block lies.
func (v *volume) locate(at address) (int64, error) {
	off, _, err := v.run(at)
	return off, err
}

// run returns where a block lies, and how many follow it there, at least one.
func (v *volume) run(at address) (off int64, n uint32, err error) {
	if int(at.part) >= len(v.parts) {
		return 0, 0, damage("address", int64(at.block), fmt.Sprintf("in partition %d of %d", at.part, len(v.parts)))
	}
	return v.parts[at.part].run(at.block)
}
