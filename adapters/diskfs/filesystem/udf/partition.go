package udf

import (
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// partition maps blocks of a partition to the volume.
type partition interface {
	// run returns the byte of the volume where a block lies, and how many
	// blocks follow each other there, at least one.
	run(block uint32) (off int64, n uint32, err error)
}

// partition sets up what a partition map says (ECMA-167, 3/10.7; UDF 2.60, 2.2.8).
func (v *volume) partition(m []byte, s *sequence) (partition, error) {
	if m[0] == 1 {
		return v.physical(le.Uint16(m[4:]), s)
	}
	if m[0] != 2 || len(m) < 64 {
		return nil, fmt.Errorf("udf: a partition map of type %d: %w", m[0], fstree.ErrUnsupported)
	}
	under, err := v.physical(le.Uint16(m[38:]), s)
	if err != nil {
		return nil, err
	}
	switch id := strings.TrimRight(string(m[5:28]), "\x00"); id {
	case "*UDF Virtual Partition":
		return &virtual{under: under, old: le.Uint16(m[28:]) < 0x200}, nil
	case "*UDF Sparable Partition":
		return v.sparable(m, under)
	case "*UDF Metadata Partition":
		// Its files lie in the partition of type 1 with the same number.
		return &metadata{under: under, file: le.Uint32(m[40:]), mirror: le.Uint32(m[44:])}, nil
	default:
		return nil, fmt.Errorf("udf: partition map %q: %w", id, fstree.ErrUnsupported)
	}
}

// physical is a run of blocks of the volume.
type physical struct {
	start, length uint32
	bits          uint
}

func (v *volume) physical(number uint16, s *sequence) (*physical, error) {
	b := s.partitions[number]
	if b == nil {
		return nil, damage("partition maps", -1, fmt.Sprintf("partition %d is not described", number))
	}
	p := &physical{le.Uint32(b[188:]), le.Uint32(b[192:]), v.bits}
	if v.size == 0 {
		v.size = int64(p.length) << v.bits
	}
	v.end = max(v.end, int64(p.start)+int64(p.length))
	return p, nil
}

func (p *physical) run(block uint32) (int64, uint32, error) {
	if block >= p.length {
		return 0, 0, damage("address", int64(block), fmt.Sprintf("outside its partition of %d blocks", p.length))
	}
	return (int64(p.start) + int64(block)) << p.bits, p.length - block, nil
}

// sparable has packets of blocks that lie elsewhere because their place wore out.
type sparable struct {
	*physical
	packet uint32 // blocks, a power of two
	moved  map[uint32]uint32
}

func (v *volume) sparable(m []byte, under *physical) (partition, error) {
	p := &sparable{physical: under, packet: uint32(le.Uint16(m[40:])), moved: map[uint32]uint32{}}
	if p.packet == 0 || p.packet&(p.packet-1) != 0 {
		return nil, damage("sparable partition", -1, fmt.Sprintf("packets of %d blocks", p.packet))
	}
	size := int64(le.Uint32(m[44:]))
	for i := range min(m[42], 4) {
		at := le.Uint32(m[48+4*i:])
		// As much of the table as there is; at most 65,535 entries of 8 bytes.
		b, err := v.cache.Bytes(int64(at)<<v.bits, min(size, 56+8<<16, v.cache.Size()-int64(at)<<v.bits))
		if err != nil || len(b) < 56 || checkTag(b, at, 0) != "" || !strings.HasPrefix(string(b[17:40]), "*UDF Sparing Table") {
			continue
		}
		for n, e := le.Uint16(b[48:]), b[56:]; n > 0 && len(e) >= 8; n, e = n-1, e[8:] {
			if orig := le.Uint32(e); orig < 0xFFFFFFF0 {
				p.moved[orig] = le.Uint32(e[4:])
			}
		}
		if i > 0 {
			v.notes = append(v.notes, "a copy of the sparing table is used")
		}
		return p, nil
	}
	return nil, damage("sparing table", -1, "none that is sound")
}

func (p *sparable) run(block uint32) (int64, uint32, error) {
	off, n, err := p.physical.run(block)
	if err != nil || len(p.moved) == 0 {
		return off, n, err
	}
	rest := block & (p.packet - 1)
	if to, ok := p.moved[block-rest]; ok {
		off = (int64(to) + int64(rest)) << p.bits
	}
	return off, min(n, p.packet-rest), nil
}

// virtual is a partition whose blocks move when they are written again, on media that
// are written once. A table, the last thing on the disc, says where they are.
type virtual struct {
	under *physical
	old   bool // of UDF 1.50
	table []uint32
}

// maxTable is the longest table of a virtual partition, in bytes: it has an entry
// for each file and directory.
const maxTable = 16 << 20

func (p *virtual) load(v *volume) error {
	end := v.cache.Size() >> v.bits
	for back := range int64(512) { // images may have some blocks after it
		block := end - 1 - back - int64(p.under.start)
		if block < 0 || block >= int64(p.under.length) {
			continue
		}
		f, err := v.fileIn(p.under, uint32(block))
		if err != nil || f.kind != typeVAT && f.kind != 0 {
			continue
		}
		size := min(f.size, maxTable)
		b := make([]byte, 0, min(size, 1<<16))
		c := &content{v: v, file: f}
		for int64(len(b)) < size && err == nil {
			b = slices.Grow(b, 1<<16)
			var n int
			n, err = c.ReadAt(b[len(b):min(int64(cap(b)), size)], int64(len(b)))
			b = b[:len(b)+n]
		}
		if int64(len(b)) < size {
			continue
		}
		switch {
		case p.old && len(b) >= 36 && strings.HasPrefix(string(b[len(b)-35:]), "*UDF Virtual Alloc Tbl"):
			b = b[:len(b)-36]
		case !p.old && f.kind == typeVAT && len(b) >= 2 && int(le.Uint16(b)) <= len(b):
			b = b[le.Uint16(b):]
		default:
			continue
		}
		for ; len(b) >= 4; b = b[4:] {
			p.table = append(p.table, le.Uint32(b))
		}
		return nil
	}
	return damage("virtual allocation table", -1, "none at the end of the volume")
}

func (p *virtual) run(block uint32) (int64, uint32, error) {
	if int64(block) >= int64(len(p.table)) {
		return p.under.run(block) // as Linux does
	}
	off, _, err := p.under.run(p.table[block])
	return off, 1, err
}

// metadata is a partition that is a file, of which there may be a copy.
type metadata struct {
	under        *physical
	file, mirror uint32
	bits         uint
	runs         []metaRun
}

// metaRun is blocks that follow each other on the volume.
type metaRun struct {
	first, n uint32 // blocks of the partition
	off      int64  // byte of the volume
}

func (p *metadata) load(v *volume) error {
	p.bits = v.bits
	err := p.read(v, p.file)
	if err == nil {
		return nil
	}
	if p.mirror == 0 || p.mirror == 1<<32-1 || p.read(v, p.mirror) != nil {
		return err
	}
	v.notes = append(v.notes, fmt.Sprintf("the mirror of the metadata partition is used: %v", err))
	return nil
}

func (p *metadata) read(v *volume, block uint32) error {
	f, err := v.fileIn(p.under, block)
	if err != nil {
		return err
	}
	var runs []metaRun
	next := int64(0)
	for x, err := range (&content{v: v, file: f}).Extents(0, f.size) {
		if err != nil {
			return err
		}
		n := x.Length >> v.bits
		if next+n > 1<<32 {
			return damage("metadata partition", -1, "too long")
		}
		if !x.Hole && x.Offset >= 0 && n > 0 {
			runs = append(runs, metaRun{uint32(next), uint32(n), x.Offset})
		}
		next += n
	}
	if len(runs) == 0 {
		return damage("metadata partition", int64(block), "empty")
	}
	p.runs = runs
	return nil
}

func (p *metadata) run(block uint32) (int64, uint32, error) {
	i := sort.Search(len(p.runs), func(i int) bool { return p.runs[i].first > block }) - 1
	if i < 0 || block-p.runs[i].first >= p.runs[i].n {
		return 0, 0, damage("address", int64(block), "outside the metadata partition")
	}
	r := p.runs[i]
	return r.off + int64(block-r.first)<<p.bits, r.n - (block - r.first), nil
}

var _ io.ReaderAt = (*content)(nil)
