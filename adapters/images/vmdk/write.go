package vmdk

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/klauspost/compress/zlib"

	"github.com/qedfs/qedfs/adapters/images/internal/fill"
	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// WriteOptions say what a new image is like. The zero value, and nil, are the
// defaults.
type WriteOptions struct {
	layer.WriteOptions

	// Stream makes a stream-optimized image, whose grains are compressed: the
	// form in which disks are shipped and uploaded. Otherwise the image is a
	// monolithic sparse one, which can be written.
	Stream bool

	// Adapter is the controller that the disk is for: "ide", "lsilogic",
	// "buslogic" or "legacyESX". Empty means "ide".
	Adapter string

	// HardwareVersion is that of the virtual machine. Empty means "4".
	HardwareVersion string

	// ToolsVersion is that of the tools in the guest. Empty means
	// "2147483647", which stands for a version that is not known.
	ToolsVersion string

	// ZeroGrains allows a writer of the image, which is not a stream, to mark
	// grains as zeroes.
	ZeroGrains bool

	// FileName is what the descriptor calls the file. Empty means
	// "disk.vmdk"; readers do not mind if it is another.
	FileName string
}

const (
	newGrain      = 64 << 10
	newGTEs       = 512
	newTableBytes = 4 * newGTEs
	newTableSpan  = newGTEs * newGrain // bytes of the disk that a table maps
	newDescAt     = 1                  // sector
	newDescSize   = 20                 // sectors
	maxNewSize    = 64 << 40
	maxFileBytes  = sectorSize << 32 // that an entry can name
)

// Write writes the disk src as a new image to dst, which is empty. If it fails
// dst holds a part of the image.
func Write(ctx context.Context, dst backend.Storage, src qedfile.Disk, opts *WriteOptions) error {
	if opts == nil {
		opts = &WriteOptions{}
	}
	size := layer.RoundUp(src.Size(), sectorSize)
	if size > maxNewSize {
		return unsupported("a disk of %d bytes, more than 64 TiB", size)
	}
	if size == 0 {
		return unsupported("a disk without bytes")
	}
	desc, err := newDescriptor(size/sectorSize, opts)
	if err != nil {
		return err
	}
	w := &writer{dst: dst, size: size, tables: (size + newTableSpan - 1) / newTableSpan}
	if opts.Stream {
		err = w.stream(ctx, src, opts)
	} else {
		err = w.sparse(ctx, src, opts)
	}
	if err != nil {
		return err
	}
	_, err = dst.WriteAt(desc, newDescAt*sectorSize)
	return err
}

// A writer writes one image.
type writer struct {
	dst    backend.Storage
	size   int64 // bytes of the disk
	tables int64 // grain tables
	end    int64 // of what has a place in the file, in bytes
}

// header returns the header of the image, or its footer. The directories are at
// sectors.
func (w *writer) header(version, flags uint32, redundant, directory, overhead uint64) []byte {
	b := make([]byte, sparseHeaderBytes)
	le := binary.LittleEndian
	copy(b, magicSparse)
	le.PutUint32(b[atSparseVersion:], version)
	le.PutUint32(b[atSparseFlags:], flags|flagNewlines)
	le.PutUint64(b[atSparseCapacity:], uint64(w.size/sectorSize))
	le.PutUint64(b[atSparseGrain:], newGrain/sectorSize)
	le.PutUint64(b[atSparseDescriptor:], newDescAt)
	le.PutUint64(b[atSparseDescSize:], newDescSize)
	le.PutUint32(b[atSparseGTEs:], newGTEs)
	le.PutUint64(b[atSparseRedundant:], redundant)
	le.PutUint64(b[atSparseDirectory:], directory)
	le.PutUint64(b[atSparseOverhead:], overhead)
	copy(b[atSparseNewlines:], newlines)
	if flags&flagCompressed != 0 {
		le.PutUint16(b[atSparseAlgorithm:], algorithmDeflate)
	}
	return b
}

// sparse writes a monolithic sparse image. All tables have a place, in two
// copies, each behind its directory:
//
//	header | descriptor | directory | tables | directory | tables | grains
func (w *writer) sparse(ctx context.Context, src qedfile.Disk, opts *WriteOptions) error {
	directoryBytes := layer.RoundUp(4*w.tables, sectorSize)
	copyBytes := directoryBytes + w.tables*newTableBytes
	first := int64(newDescAt+newDescSize) * sectorSize
	second := first + copyBytes
	grains := layer.RoundUp(second+copyBytes, newGrain)
	w.end = grains
	for _, at := range []int64{first, second} {
		t := &fill.Table{To: w.dst, At: at, Len: w.tables, Order: binary.LittleEndian}
		for i := range w.tables {
			if err := t.Set(i, uint64((at+directoryBytes+i*newTableBytes)/sectorSize)); err != nil {
				return err
			}
		}
		if err := t.Close(); err != nil {
			return err
		}
	}
	table := &fill.Table{
		To: w.dst, At: first + directoryBytes, Mirrors: []int64{second + directoryBytes}, Len: w.tables * newGTEs, Order: binary.LittleEndian,
	}
	place := func(i int64) (int64, error) {
		at := w.end
		w.end += newGrain
		if w.end > maxFileBytes {
			return 0, errTooLarge
		}
		return at, table.Set(i, uint64(at/sectorSize))
	}
	if err := fill.Blocks(ctx, w.dst, src, newGrain, place, &opts.WriteOptions); err != nil {
		return err
	}
	if err := table.Close(); err != nil {
		return err
	}
	if err := w.dst.Truncate(w.end); err != nil {
		return err
	}
	version, flags := uint32(1), uint32(flagRedundant)
	if opts.ZeroGrains {
		version, flags = 2, flags|flagZeroGrain
	}
	_, err := w.dst.WriteAt(w.header(version, flags, uint64(first/sectorSize), uint64(second/sectorSize), uint64(grains/sectorSize)), 0)
	return err
}

var errTooLarge = unsupported("more than 2 TiB of data in one file")

// stream writes a stream-optimized image. Each part has a marker before it; a
// table follows the grains that it maps, and the footer has the header's fields
// that are not known before:
//
//	header | descriptor | grain ... grain | table | grain ... | table | directory | footer | end
func (w *writer) stream(ctx context.Context, src qedfile.Disk, opts *WriteOptions) error {
	const overhead = newGrain // before the first grain
	w.end = overhead
	s := &streamTables{writer: w, directory: make([]byte, layer.RoundUp(4*w.tables, sectorSize)), current: -1}
	var deflaters sync.Pool
	err := qedfile.Pieces(ctx, src, qedfile.PieceStages{
		Prepare: func(p *qedfile.Piece) (err error) {
			d, _ := deflaters.Get().(*deflater)
			if d == nil {
				d = newDeflater()
			}
			defer deflaters.Put(d)
			p.Packed, err = d.pack(p.Packed[:0], p.Bytes, p.Offset/sectorSize)
			return err
		},
		Place: func(p *qedfile.Piece) (err error) {
			p.At, err = s.place(p.Offset/newGrain, int64(len(p.Packed)))
			return err
		},
		Finish: func(p *qedfile.Piece) error {
			_, err := w.dst.WriteAt(p.Packed, p.At)
			return err
		},
	}, fill.Pieces(&opts.WriteOptions, newGrain))
	if err != nil {
		return err
	}
	directory, err := s.finish()
	if err != nil {
		return err
	}
	const version, flags = 3, flagCompressed | flagMarkers
	footer := append(marker(1, markerFooter), w.header(version, flags, 0, uint64(directory/sectorSize), overhead/sectorSize)...)
	footer = append(footer, marker(0, markerEnd)...)
	if _, err := w.dst.WriteAt(footer, w.end); err != nil {
		return err
	}
	_, err = w.dst.WriteAt(w.header(version, flags, 0, directoryAtEnd, overhead/sectorSize), 0)
	return err
}

// streamTables are the tables of a stream, of which one is in memory.
type streamTables struct {
	*writer
	directory []byte
	current   int64 // table in memory, -1 for none
	table     [newTableBytes]byte
}

// place gives n bytes their place, those of a grain.
func (s *streamTables) place(grain, n int64) (int64, error) {
	if t := grain / newGTEs; t != s.current {
		if err := s.flush(); err != nil {
			return 0, err
		}
		s.current = t
	}
	at := s.end
	s.end += layer.RoundUp(n, sectorSize)
	if s.end > maxFileBytes {
		return 0, errTooLarge
	}
	binary.LittleEndian.PutUint32(s.table[4*(grain%newGTEs):], uint32(at/sectorSize))
	return at, nil
}

// flush writes the table in memory.
func (s *streamTables) flush() error {
	if s.current < 0 {
		return nil
	}
	at, err := s.write(s.table[:], markerTable)
	binary.LittleEndian.PutUint32(s.directory[4*s.current:], uint32(at/sectorSize))
	clear(s.table[:])
	return err
}

// finish writes the last table, and the directory, whose place it returns.
func (s *streamTables) finish() (int64, error) {
	if err := s.flush(); err != nil {
		return 0, err
	}
	return s.write(s.directory, markerDirectory)
}

// write writes whole sectors behind a marker. It returns where they are.
func (s *streamTables) write(b []byte, kind uint32) (int64, error) {
	at := s.end
	s.end += sectorSize + int64(len(b))
	_, err := s.dst.WriteAt(append(marker(int64(len(b))/sectorSize, kind), b...), at)
	return at + sectorSize, err
}

// marker returns the sector before what is no grain.
func marker(sectors int64, kind uint32) []byte {
	b := make([]byte, sectorSize)
	binary.LittleEndian.PutUint64(b, uint64(sectors))
	binary.LittleEndian.PutUint32(b[12:], kind)
	return b
}

// A deflater packs one grain after the other.
type deflater struct {
	z     *zlib.Writer
	whole [newGrain]byte
}

func newDeflater() *deflater { return &deflater{z: zlib.NewWriter(nil)} }

// pack appends to b a grain that begins at a sector of the disk: its marker and
// its bytes, in whole sectors. The last grain of a disk is filled with zeroes.
func (d *deflater) pack(b, grain []byte, sector int64) ([]byte, error) {
	if len(grain) < newGrain {
		clear(d.whole[copy(d.whole[:], grain):])
		grain = d.whole[:]
	}
	out := bytes.NewBuffer(append(b, make([]byte, grainMarkerBytes)...))
	d.z.Reset(out)
	if _, err := d.z.Write(grain); err != nil {
		return nil, err
	}
	if err := d.z.Close(); err != nil {
		return nil, err
	}
	b = out.Bytes()
	binary.LittleEndian.PutUint64(b, uint64(sector))
	binary.LittleEndian.PutUint32(b[8:], uint32(len(b)-grainMarkerBytes))
	return append(b, make([]byte, layer.RoundUp(int64(len(b)), sectorSize)-int64(len(b)))...), nil
}

// newDescriptor returns the descriptor of a new image.
func newDescriptor(sectors int64, opts *WriteOptions) ([]byte, error) {
	createType := "monolithicSparse"
	if opts.Stream {
		createType = "streamOptimized"
	}
	adapter := cmp.Or(opts.Adapter, "ide")
	heads := int64(255)
	switch adapter {
	case "ide":
		heads = 16
	case "lsilogic", "buslogic", "legacyESX":
	default:
		return nil, unsupported("the adapter %q", adapter)
	}
	const perTrack = 63
	values := map[string]string{
		"name": cmp.Or(opts.FileName, "disk.vmdk"), "hardware version": cmp.Or(opts.HardwareVersion, "4"),
		"tools version": cmp.Or(opts.ToolsVersion, "2147483647"),
	}
	for what, value := range values {
		if strings.ContainsAny(value, "\"\n\r\x00") {
			return nil, unsupported("the %s %q", what, value)
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Disk DescriptorFile\nversion=1\nCID=%08x\nparentCID=%08x\ncreateType=%q\n\n", newCID(), uint32(noParent), createType)
	fmt.Fprintf(&b, "# Extent description\nRW %d SPARSE \"%s\"\n\n", sectors, values["name"])
	fmt.Fprintf(&b, "# The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = \"%s\"\n", values["hardware version"])
	fmt.Fprintf(&b, "ddb.geometry.cylinders = \"%d\"\nddb.geometry.heads = \"%d\"\nddb.geometry.sectors = \"%d\"\n", sectors/(perTrack*heads), heads, perTrack)
	fmt.Fprintf(&b, "ddb.adapterType = %q\nddb.toolsVersion = \"%s\"\n", adapter, values["tools version"])
	if b.Len() > newDescSize*sectorSize {
		return nil, unsupported("a descriptor of %d bytes", b.Len())
	}
	return b.Bytes(), nil
}

// newCID returns a random number that is not the one for a disk without a
// parent, nor the one before.
func newCID() uint32 { return rand.Uint32N(noParent - 1) }
