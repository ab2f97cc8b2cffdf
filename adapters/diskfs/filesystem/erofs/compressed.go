package erofs

import (
	"fmt"
	"io"
	"iter"
	"sort"
	"sync"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// What the header of a compressed file says (Z_EROFS_ADVISE_* in erofs_fs.h).
const (
	adviseCompact2  = 0x01 // indexes of 2 bytes
	adviseBig1      = 0x02 // clusters of several blocks
	adviseBig2      = 0x04
	adviseInline    = 0x08 // the last cluster lies after the indexes
	adviseInterlace = 0x10 // of clusters that are not compressed
)

// Types of logical clusters: of a block of the file.
const (
	clusterPlain   = 0 // begins one that is not compressed
	clusterHead    = 1
	clusterNonHead = 2 // goes on
)

const (
	blocksFlag = 1 << 11 // of the first that goes on: it says how many blocks
	partialRef = 1 << 15 // a part of a cluster that is another file's, too

	// maxCluster and maxExtent are what Linux takes of one compressed cluster
	// (Z_EROFS_PCLUSTER_MAX_SIZE, Z_EROFS_PCLUSTER_MAX_DSIZE), in bytes.
	maxCluster = 1 << 20
	maxExtent  = 12 << 20
	maxKept    = 1 << 20 // of what is kept decompressed
)

// cluster is a compressed run of a file.
type cluster struct {
	start  int64 // byte of the file
	at     int64 // byte of the volume
	stored int64 // bytes there
	plain  bool
}

// index says where the clusters of a file are.
type index struct {
	in       *inode
	advise   uint16
	bits     uint // log2 of a logical cluster
	table    int64
	total    int64 // logical clusters
	tailSize int64 // of an inline cluster, bytes
	initial4 int64 // of a compact index: 4 bytes each, then 2 bytes, then 4
	middle2  int64
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
	b, err := e.cache.Bytes(at, 8)
	if err != nil {
		return nil, fmt.Errorf("erofs: file of inode %d: %w", in.nid, err)
	}
	x := &index{in: in, advise: le.Uint16(b[4:]), bits: e.bits + uint(b[7]&7), table: at + 8}
	switch {
	case b[7]>>7 != 0 || x.advise&^0x1f != 0:
		return nil, fmt.Errorf("erofs: file of inode %d: fragments (%#x): %w", in.nid, x.advise, fstree.ErrUnsupported)
	case b[6]&0xf != 0 || b[6]>>4 != 0:
		return nil, fmt.Errorf("erofs: file of inode %d: compressed by %s: %w", in.nid, algorithm(b[6]), fstree.ErrUnsupported)
	case in.layout == layoutCompact && (x.bits > 14 || x.advise&adviseCompact2 != 0 && x.bits > 12):
		return nil, damage("file of "+in.name(), -1, fmt.Sprintf("a compact index of clusters of 2^%d bytes", x.bits))
	}
	if x.advise&adviseInline != 0 {
		x.tailSize = int64(le.Uint16(b[2:]))
	}
	x.total = (in.size-1)>>x.bits + 1
	if in.size == 0 {
		x.total = 0
	}
	x.layout()
	if x.end() > e.size {
		return nil, damage("file of "+in.name(), -1, "its index is longer than the volume")
	}
	c := &packed{e: e, in: in, x: x}
	c.list = sync.OnceValues(func() ([]cluster, error) { return e.clustersOf(x) })
	return c, nil
}

func algorithm(n byte) string {
	if n&0xf != 0 {
		n &= 0xf
	} else {
		n >>= 4
	}
	if names := []string{"lz4", "lzma", "deflate", "zstd"}; int(n) < len(names) {
		return names[n]
	}
	return fmt.Sprintf("algorithm %d", n)
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
		b, err := e.cache.Bytes(x.table+8*n, 8)
		if err != nil {
			return logical{}, err
		}
		l := logical{kind: int(le.Uint16(b) & 3), ofs: int64(le.Uint16(b[2:])), block: le.Uint32(b[4:])}
		if le.Uint16(b)&partialRef != 0 {
			return l, fmt.Errorf("a part of a cluster: %w", fstree.ErrUnsupported)
		}
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
	b, err := e.cache.Bytes(at-at%size, size)
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

// clustersOf reads the whole index.
func (e *engine) clustersOf(x *index) ([]cluster, error) {
	var list []cluster
	broken := func(n int64, why string) error {
		return damage("file of "+x.in.name(), -1, fmt.Sprintf("cluster %d: %s", n, why))
	}
	for n := range x.total {
		l, err := x.load(e, n)
		if err != nil {
			return nil, fmt.Errorf("erofs: index of inode %d: %w", x.in.nid, err)
		}
		switch l.kind {
		case clusterPlain, clusterHead:
			c := cluster{start: n<<x.bits + l.ofs, at: int64(l.block) << e.bits, stored: 1 << x.bits, plain: l.kind == clusterPlain}
			if l.ofs >= 1<<x.bits || len(list) == 0 && c.start != 0 || len(list) > 0 && c.start <= list[len(list)-1].start {
				return nil, broken(n, fmt.Sprintf("begins at byte %d", c.start))
			}
			if c.start < x.in.size {
				list = append(list, c)
			}
		case clusterNonHead:
			if len(list) == 0 {
				return nil, broken(n, "goes on before there is one")
			}
			if l.blocks > 0 && n<<x.bits-list[len(list)-1].start <= 1<<x.bits {
				list[len(list)-1].stored = l.blocks << e.bits
			}
		default:
			return nil, fmt.Errorf("erofs: index of inode %d: a second compression: %w", x.in.nid, fstree.ErrUnsupported)
		}
	}
	if x.tailSize > 0 && len(list) > 0 {
		last := &list[len(list)-1]
		last.at, last.stored = x.end(), x.tailSize
	}
	return list, nil
}

// packed is the contents of a compressed file.
type packed struct {
	e    *engine
	in   *inode
	x    *index
	list func() ([]cluster, error)
}

func (c *packed) Size() int64 { return c.in.size }

// Extents says nothing of where compressed contents lie.
func (c *packed) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		if off >= 0 && n > 0 && off < c.in.size {
			yield(fstree.Extent{Start: off, Length: min(n, c.in.size-off), Offset: -1}, nil)
		}
	}
}

func (c *packed) ReadAt(p []byte, off int64) (n int, err error) {
	list, err := c.list()
	if err != nil {
		return 0, err
	}
	for n < len(p) && off < c.in.size {
		i := sort.Search(len(list), func(i int) bool { return list[i].start > off }) - 1
		if i < 0 {
			return n, damage("file of "+c.in.name(), -1, "begins with no cluster")
		}
		end := c.in.size
		if i+1 < len(list) {
			end = min(end, list[i+1].start)
		}
		b, err := c.e.expand(c, list[i], end-list[i].start)
		if err != nil {
			return n, err
		}
		m := copy(p[n:], b[off-list[i].start:])
		n, off = n+m, off+int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// expand returns the bytes of the file that a cluster holds.
func (e *engine) expand(c *packed, from cluster, length int64) ([]byte, error) {
	key := uint64(c.in.nid)<<32 ^ uint64(from.start)
	if b := e.clusters.Get(key); b != nil && int64(len(b)) == length {
		return b, nil
	}
	broken := func(why string) error {
		return damage("file of "+c.in.name(), from.at>>e.bits, fmt.Sprintf("the cluster of byte %d: %s", from.start, why))
	}
	if from.stored > maxCluster || length > maxExtent || !from.plain && length > from.stored*256 {
		return nil, broken(fmt.Sprintf("%d bytes in %d", length, from.stored))
	}
	src, err := e.cache.Bytes(from.at, min(from.stored, max(e.size-from.at, 0)))
	if err != nil {
		return nil, fmt.Errorf("erofs: file of inode %d: %w", c.in.nid, err)
	}
	var b []byte
	if from.plain {
		if length > int64(len(src)) {
			return nil, broken(fmt.Sprintf("%d bytes in %d that are not compressed", length, len(src)))
		}
		b = src[:length]
		if shift := from.start & (e.info.BlockSize - 1); c.x.advise&adviseInterlace != 0 && shift != 0 && from.stored == e.info.BlockSize {
			b = append(append(make([]byte, 0, len(src)), src[shift:]...), src[:shift]...)[:length]
		}
	} else {
		if e.padded { // the end of the cluster is the end of its data
			for len(src) > 0 && src[0] == 0 {
				src = src[1:]
			}
		}
		if b, err = unlz4(src, int(length)); err != nil {
			return nil, broken(err.Error())
		}
	}
	if length <= maxKept {
		e.clusters.Put(key, b)
	}
	return b, nil
}
