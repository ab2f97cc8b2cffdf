package erofs

import (
	"fmt"
	"sync"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// What the header of a compressed file says (Z_EROFS_ADVISE_* in erofs_fs.h).
const (
	adviseCompact2  = 0x01 // indexes of 2 bytes
	adviseExtents   = 0x01 // of a full index: a table of extents instead
	adviseBig1      = 0x02 // clusters of several blocks
	adviseBig2      = 0x04
	adviseInline    = 0x08 // the last cluster lies after the indexes
	adviseInterlace = 0x10 // of clusters that are not compressed
	adviseFragment  = 0x20 // the last cluster lies in the file of fragments
	adviseKnown     = 0x3f
)

// Types of logical clusters: of a block of the file.
const (
	clusterPlain   = 0 // begins one that is not compressed
	clusterHead    = 1
	clusterNonHead = 2 // goes on
	clusterHead2   = 3 // begins one of the second algorithm
)

const (
	blocksFlag = 1 << 11 // of the first that goes on: it says how many blocks
	wholeFile  = 1 << 63 // of the header: all of the file is a fragment

	// maxCluster and maxExtent are what Linux takes of one compressed cluster
	// (Z_EROFS_PCLUSTER_MAX_SIZE, Z_EROFS_PCLUSTER_MAX_DSIZE), in bytes.
	maxCluster = 1 << 20
	maxExtent  = 12 << 20
	maxKept    = 1 << 20 // of what is kept decompressed
)

// cluster is a compressed run of a file.
type cluster struct {
	start  int64 // byte of the file
	at     int64 // byte of the volume, or of the file of fragments
	stored int64 // bytes there
	how    int   // an algorithm, or storedPlain ...
	boxed  bool  // in the file of metadata
}

// index says where the clusters of a file are.
type index struct {
	in         *inode
	advise     uint16
	algorithms [2]int
	bits       uint // log2 of a logical cluster
	table      int64
	total      int64 // logical clusters, or extents
	tailSize   int64 // of an inline cluster, bytes
	fragment   int64 // byte of the file of fragments, of the last cluster
	initial4   int64 // of a compact index: 4 bytes each, then 2 bytes, then 4
	middle2    int64
}

// logical is a logical cluster.
type logical struct {
	kind   int
	ofs    int64  // where in it a cluster of the file begins
	block  uint32 // of the volume
	blocks int64  // of the cluster before it, if it says so
}

// compressed opens a compressed file. Its index is read when it is first read from.
func (e *engine) compressed(in *inode) (fstree.Content, error) {
	at := (in.end + 7) &^ 7
	b, err := in.slots.Bytes(at, 8)
	if err != nil {
		return nil, fmt.Errorf("erofs: file of inode %d: %w", in.nid, err)
	}
	c := &packed{e: e, in: in}
	if header := le.Uint64(b); header&wholeFile != 0 {
		c.list = func() ([]cluster, error) {
			return []cluster{{at: int64(header &^ wholeFile), how: storedFragment}}, nil
		}
		return c, nil
	}
	x := &index{in: in, advise: le.Uint16(b[4:]), bits: e.bits + uint(b[7]&0xf), table: at + 8, algorithms: [2]int{int(b[6] & 0xf), int(b[6] >> 4)}}
	switch {
	case x.advise&^adviseKnown != 0 || b[7]&0x70 != 0 && !x.extents():
		return nil, fmt.Errorf("erofs: file of inode %d: an index of the kind %#x: %w", in.nid, x.advise, fstree.ErrUnsupported)
	case in.layout == layoutCompact && (x.bits > 14 || x.advise&adviseCompact2 != 0 && x.bits > 12):
		return nil, damage("file of "+in.name(), -1, fmt.Sprintf("a compact index of clusters of 2^%d bytes", x.bits))
	case x.advise&adviseFragment != 0:
		x.fragment = int64(le.Uint32(b))
	case x.advise&adviseInline != 0:
		x.tailSize = int64(le.Uint16(b[2:]))
	}
	if in.size > 0 {
		x.total = (in.size-1)>>x.bits + 1
	}
	if x.extents() {
		x.layoutExtents(le.Uint32(b), le.Uint16(b[6:]))
	} else {
		x.layout()
	}
	if size, err := in.slots.size(); err != nil {
		return nil, err
	} else if x.end() > size {
		return nil, damage("file of "+in.name(), -1, "its index is longer than the volume")
	}
	c.list = sync.OnceValues(func() ([]cluster, error) {
		if x.extents() {
			return e.extentsOf(x)
		}
		return e.clustersOf(x)
	})
	return c, nil
}

// layout finds the parts of the index (z_erofs_load_compact_lcluster).
func (x *index) layout() {
	if x.in.layout == layoutFull {
		x.table += 8
		return
	}
	x.initial4 = min((32-x.table%32)/4&7, x.total)
	if x.advise&adviseCompact2 != 0 {
		x.middle2 = (x.total - x.initial4) &^ 15
	}
}

// end is the byte after the index, where an inline cluster lies.
func (x *index) end() int64 {
	if x.extents() {
		return x.table + x.total*x.recordSize()
	}
	if x.in.layout == layoutFull {
		return x.table + 8*x.total
	}
	if x.total == 0 {
		return x.table
	}
	at, width := x.compact(x.total - 1)
	size := packSize(width)
	return at - at%size + size
}

// compact is where the index of a logical cluster lies, and how long it is.
func (x *index) compact(n int64) (at, width int64) {
	switch {
	case n < x.initial4:
		return x.table + 4*n, 4
	case n < x.initial4+x.middle2:
		return x.table + 4*x.initial4 + 2*(n-x.initial4), 2
	}
	return x.table + 4*x.initial4 + 2*x.middle2 + 4*(n-x.initial4-x.middle2), 4
}

// packSize is how many bytes share a block number.
func packSize(width int64) int64 {
	if width == 2 {
		return 32
	}
	return 8
}

// load reads the index of a logical cluster.
func (x *index) load(e *engine, n int64) (logical, error) {
	if x.in.layout == layoutFull {
		b, err := x.in.slots.Bytes(x.table+8*n, 8)
		if err != nil {
			return logical{}, err
		}
		l := logical{kind: int(le.Uint16(b) & 3), ofs: int64(le.Uint16(b[2:])), block: le.Uint32(b[4:])}
		if delta := le.Uint16(b[4:]); l.kind == clusterNonHead && delta&blocksFlag != 0 {
			l.blocks = int64(delta &^ blocksFlag)
		}
		return l, nil
	}
	at, width := x.compact(n)
	return x.unpack(e, at, width)
}

// unpack reads an index out of a pack of 2 or 16, which share a block number.
func (x *index) unpack(e *engine, at, width int64) (logical, error) {
	size := packSize(width)
	count := size / width
	i := at % size / width
	b, err := x.in.slots.Bytes(at-at%size, size)
	if err != nil {
		return logical{}, err
	}
	low := max(x.bits, 12)
	each := (size - 4) * 8 / count
	decode := func(i int64) (int64, int) {
		bit := each * i
		v := le.Uint32(b[min(bit/8, size-4):])
		if bit/8 > size-4 {
			v >>= 8 * (bit/8 - (size - 4))
		}
		v >>= bit & 7
		return int64(v & (1<<low - 1)), int(v >> low & 3)
	}
	lo, kind := decode(i)
	l := logical{kind: kind, ofs: lo}
	if kind == clusterNonHead {
		if lo&blocksFlag != 0 {
			l.blocks = lo &^ blocksFlag
		}
		return l, nil
	}
	// The block: that of the pack, and those of the clusters before this one in it.
	big := x.advise&adviseBig1 != 0
	blocks := int64(1)
	if big {
		blocks = 0
	}
	for j := i; j > 0; {
		j--
		lo, kind := decode(j)
		switch {
		case kind != clusterNonHead:
			blocks++
		case big && lo&blocksFlag != 0:
			j--
			blocks += lo &^ blocksFlag
		case big && lo <= 1:
			return l, damage("file of "+x.in.name(), at>>e.bits, "its index contradicts itself")
		case big:
			j -= lo - 2
		default:
			if j -= lo; j >= 0 {
				blocks++
			}
		}
	}
	l.block = le.Uint32(b[size-4:]) + uint32(blocks)
	return l, nil
}

// begin returns the cluster that begins in a logical one.
func (x *index) begin(e *engine, n int64, l logical) (c cluster, big bool) {
	c = cluster{start: n<<x.bits + l.ofs, at: e.byteOf(uint64(l.block)), stored: e.info.BlockSize}
	big = x.advise&adviseBig2 != 0
	switch l.kind {
	case clusterPlain:
		c.how = storedPlain
		if x.advise&adviseInterlace != 0 {
			c.how = storedInterlaced
		}
	case clusterHead:
		c.how, big = x.algorithms[0], x.advise&adviseBig1 != 0
	default:
		c.how = x.algorithms[1]
	}
	return c, big
}

// clustersOf reads the whole index.
func (e *engine) clustersOf(x *index) ([]cluster, error) {
	var list []cluster
	broken := func(n int64, why string) error {
		return damage("file of "+x.in.name(), -1, fmt.Sprintf("cluster %d: %s", n, why))
	}
	big, high := false, int64(0)
	for n := range x.total {
		l, err := x.load(e, n)
		if err != nil {
			return nil, fmt.Errorf("erofs: index of inode %d: %w", x.in.nid, err)
		}
		if l.kind == clusterNonHead {
			if len(list) == 0 {
				return nil, broken(n, "goes on before there is one")
			}
			if last := &list[len(list)-1]; big && l.blocks > 0 && n<<x.bits-last.start <= 1<<x.bits {
				last.stored = l.blocks << e.bits
			}
			continue
		}
		var c cluster
		if c, big = x.begin(e, n, l); l.ofs >= 1<<x.bits || len(list) == 0 && c.start != 0 || len(list) > 0 && c.start <= list[len(list)-1].start {
			return nil, broken(n, fmt.Sprintf("begins at byte %d", c.start))
		}
		if c.start < x.in.size {
			list, high = append(list, c), int64(l.block)
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	switch last := &list[len(list)-1]; {
	case x.tailSize > 0:
		last.at, last.stored, last.boxed = x.end(), x.tailSize, x.in.slots.boxed
	case x.advise&adviseFragment != 0:
		last.at, last.how = x.fragment, storedFragment
		if x.in.layout == layoutFull { // which has room for the upper half
			last.at |= high << 32
		}
	}
	return list, nil
}
