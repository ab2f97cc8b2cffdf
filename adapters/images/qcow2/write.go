package qcow2

import (
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/bits"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// Compression is how clusters are compressed.
type Compression uint8

const (
	Uncompressed Compression = iota
	Zlib                     // which every reader of qcow2 knows
	Zstd                     // QEMU from 5.1 on
)

// WriteOptions say what a new image is like. The zero value, and nil, are
// qemu-img's defaults.
type WriteOptions struct {
	layer.WriteOptions

	ClusterSize   int64 // bytes, a power of two from 512 to 2 MiB; 0 is 64 KiB
	Version       int   // 2 or 3; 0 is 3
	RefcountBits  int   // a power of two up to 64; 0 is 16, which is all that version 2 has
	LazyRefcounts bool  // a writer may leave reference counts wrong until it closes the image
	ExtendedL2    bool  // subclusters; the cluster size is 16 KiB at least
	Compression   Compression
	// CompressionType is how other writers are to compress clusters, where
	// Compression is [Uncompressed]; zero is zlib.
	CompressionType Compression

	// BackingFile is the name of a file that shows what the backing file of
	// the source does. Only what the source itself stores is written then;
	// it must be a [qedfile.Layer].
	BackingFile   string
	BackingFormat string // by qemu's name; empty is not stated

	// Preallocate gives each cluster of the disk its place in the file, which
	// has holes there. Over a backing file it takes subclusters.
	Preallocate bool

	// DataFile gets the clusters instead of the image's own file, each where
	// it is on the disk, and DataFileName is what the image calls it. Nothing
	// is compressed then. It is the caller's to close.
	DataFile     backend.Storage
	DataFileName string
	// DataFileRaw promises that the data file is the disk, byte for byte, also
	// once it has been written to. It excludes a backing file.
	DataFileRaw bool
}

// Write writes the disk src as a new image to dst, which is empty. What reads
// as zeroes takes no space. The header is written last: if Write fails, dst
// holds no image. It does not call dst.Sync.
//
// Options that do not go together are an error that matches [fs.ErrInvalid], or
// [qedfile.ErrUnsupported] for a disk that is too large for them.
func Write(ctx context.Context, dst backend.Storage, src qedfile.Disk, opts *WriteOptions) error {
	if opts == nil {
		opts = &WriteOptions{}
	}
	w, err := newWriter(dst, src, opts)
	if err != nil {
		return err
	}
	if err := w.writeHeader(true); err != nil { // now, to see whether it has room; it is erased again
		return err
	}
	size := max(w.cluster, 256<<10)
	stages := qedfile.PieceStages{Prepare: w.prepare, Place: w.place, Finish: w.finish}
	err = qedfile.Pieces(ctx, src, stages, &qedfile.PieceOptions{
		Size: size, Workers: opts.Workers, Progress: opts.Progress, Own: w.layer != nil,
	})
	if err != nil {
		return err
	}
	return w.close()
}

// A writer writes an image from its first cluster to its last:
//
//	header, L1 table, ( clusters, L2 table ) ..., refcount table, refcount blocks
//
// with refcount blocks in between as soon as they are full.
type writer struct {
	dst     backend.Storage
	data    backend.Storage // what gets the clusters: dst, or a file of their own
	layer   qedfile.Layer   // the source, where only what it stores itself is written
	opts    WriteOptions
	cluster int64
	header  header
	encode  encoder // nil when nothing is compressed

	guest  int64 // the cluster of the disk that follows those that have their entries
	next   int64 // the cluster of the file that is given out next
	packed int64 // where the next compressed cluster may begin in the file; 0 for nowhere
	refs   refcounts

	l1      []uint64
	l1At    int64
	l2      []byte // the table that is being filled
	l2Index int64  // its entry in the L1 table; -1 for none
}

func newWriter(dst backend.Storage, src qedfile.Disk, opts *WriteOptions) (*writer, error) {
	w := &writer{dst: dst, data: dst, opts: *opts, l2Index: -1}
	o := &w.opts
	o.setDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.BackingFile != "" {
		var ok bool
		if w.layer, ok = src.(qedfile.Layer); !ok {
			return nil, badOptions("a backing file needs a source that has one")
		}
	}
	w.cluster = o.ClusterSize
	w.header = header{
		version:       o.Version,
		clusterBits:   uint(bits.TrailingZeros64(uint64(o.ClusterSize))),
		size:          (src.Size() + sectorSize - 1) &^ (sectorSize - 1),
		refcountOrder: uint(bits.TrailingZeros(uint(o.RefcountBits))),
		backingFile:   o.BackingFile,
		backingFormat: o.BackingFormat,
	}
	h := &w.header
	w.setFeatures(h)
	w.encode = newEncoder(o.Compression)
	entries := h.neededL1(h.size)
	if entries > maxL1Entries {
		return nil, layer.Unsupported(format, "a disk of %d bytes in clusters of %d", h.size, w.cluster)
	}
	w.refs = newRefcounts(w)
	w.l1 = make([]uint64, entries)
	w.l2 = make([]byte, w.cluster)
	w.allocate(1) // the header
	if entries > 0 {
		w.l1At = w.allocate((entries*entrySize + w.cluster - 1) / w.cluster)
	}
	return w, nil
}

// setDefaults replaces zeroes by what they stand for.
func (o *WriteOptions) setDefaults() {
	if o.ClusterSize == 0 {
		o.ClusterSize = 64 << 10
	}
	if o.Version == 0 {
		o.Version = 3
	}
	if o.RefcountBits == 0 {
		o.RefcountBits = 16
	}
}

// setFeatures sets what the options make of the header's feature bits.
func (w *writer) setFeatures(h *header) {
	o := &w.opts
	if o.ExtendedL2 {
		h.incompatible |= featureExtendedL2
	}
	if o.LazyRefcounts {
		h.compatible |= compatLazyRefcounts
	}
	if o.Compression == Zstd || o.CompressionType == Zstd {
		h.incompatible |= featureCompression
		h.compression = compressionZstd
	}
	if o.DataFile != nil {
		w.data = o.DataFile
		h.incompatible |= featureDataFile
		h.dataFile = o.DataFileName
	}
	if o.DataFileRaw {
		h.autoclear |= autoclearDataFileRaw
		o.Preallocate = true // all of the disk is in the file, so that all of it is allocated
	}
}

// check refuses options that do not go together.
func (o *WriteOptions) check() error {
	power := func(n int64) bool { return n > 0 && n&(n-1) == 0 }
	switch {
	case !power(o.ClusterSize) || o.ClusterSize < 1<<minClusterBits || o.ClusterSize > 1<<maxClusterBits:
		return badOptions("a cluster size of %d: not a power of two from 512 to 2 MiB", o.ClusterSize)
	case o.Version != 2 && o.Version != 3:
		return badOptions("version %d: neither 2 nor 3", o.Version)
	case !power(int64(o.RefcountBits)) || o.RefcountBits > 64:
		return badOptions("refcounts of %d bits: not a power of two up to 64", o.RefcountBits)
	case o.Version == 2 && (o.RefcountBits != 16 || o.LazyRefcounts || o.ExtendedL2 || o.Compression == Zstd || o.CompressionType == Zstd || o.DataFile != nil):
		return badOptions("version 2 has no lazy refcounts, subclusters, zstd, data file, or refcounts of other than 16 bits")
	case o.Compression != Uncompressed && o.CompressionType != Uncompressed && o.Compression != o.CompressionType:
		return badOptions("two types of compression")
	case o.Compression > Zstd || o.CompressionType > Zstd:
		return badOptions("compression type %d", max(o.Compression, o.CompressionType))
	case o.ExtendedL2 && o.ClusterSize < 1<<minExtended:
		return badOptions("subclusters in clusters of %d bytes: it takes 16 KiB", o.ClusterSize)
	case len(o.BackingFile) > maxNameLen || len(o.BackingFormat) > maxFormatLen:
		return badOptions("the name of the backing file, or of its format, is too long")
	case (o.DataFile != nil) != (o.DataFileName != ""):
		return badOptions("a data file and its name go together")
	case len(o.DataFileName) > maxNameLen:
		return badOptions("the name of the data file is too long")
	case o.DataFileRaw && o.DataFile == nil:
		return badOptions("no data file that could be raw")
	case o.DataFile != nil && o.Compression != Uncompressed:
		return badOptions("a data file has no compressed clusters")
	case o.DataFileRaw && o.BackingFile != "":
		return badOptions("a raw data file has no backing file")
	case o.Preallocate && o.Compression != Uncompressed:
		return badOptions("compressed clusters are not preallocated")
	case o.Preallocate && o.BackingFile != "" && !o.ExtendedL2:
		return badOptions("preallocation over a backing file takes subclusters")
	}
	return nil
}

func badOptions(why string, args ...any) error {
	return fmt.Errorf("qcow2: %w: %w", fs.ErrInvalid, fmt.Errorf(why, args...))
}

// allocate gives out n clusters that lie together, with a reference count of
// one. It returns their place in the file.
func (w *writer) allocate(n int64) int64 {
	at := w.next * w.cluster
	for range n {
		w.refs.add(w.next)
		w.next++
	}
	return at
}

// close writes the tables that are left, and the header.
func (w *writer) close() error {
	if err := w.preallocate((w.header.size + w.cluster - 1) / w.cluster); err != nil {
		return err
	}
	if err := w.flushL2(); err != nil {
		return err
	}
	l1 := make([]byte, len(w.l1)*entrySize)
	for i, e := range w.l1 {
		binary.BigEndian.PutUint64(l1[i*entrySize:], e)
	}
	if _, err := w.dst.WriteAt(l1, w.l1At); err != nil {
		return err
	}
	if err := w.refs.close(); err != nil {
		return err
	}
	if err := w.dst.Truncate(w.next * w.cluster); err != nil {
		return err
	}
	if w.opts.DataFile != nil {
		if err := w.data.Truncate(w.header.size); err != nil {
			return err
		}
	}
	return w.writeHeader(false)
}

// writeHeader writes the header, with no magic where it is a draft.
func (w *writer) writeHeader(draft bool) error {
	h := &w.header
	h.l1Offset, h.l1Entries = w.l1At, int64(len(w.l1))
	b, err := h.encode(w.refs.tableAt, w.refs.tableClusters)
	if err != nil {
		return err
	}
	if draft {
		clear(b[:4])
	}
	_, err = w.dst.WriteAt(b, 0)
	return err
}

// encode is the header as it is stored, with its extensions and the name of the
// backing file, as far as the first cluster has room.
func (h *header) encode(refcounts, refcountClusters int64) ([]byte, error) {
	be := binary.BigEndian
	length := headerLenV2
	if h.version == 3 {
		length = headerLenV3 + 8
	}
	b := make([]byte, length)
	copy(b, magic)
	be.PutUint32(b[4:], uint32(h.version))
	be.PutUint32(b[20:], uint32(h.clusterBits))
	be.PutUint64(b[24:], uint64(h.size))
	be.PutUint32(b[36:], uint32(h.l1Entries))
	be.PutUint64(b[40:], uint64(h.l1Offset))
	be.PutUint64(b[48:], uint64(refcounts))
	be.PutUint32(b[56:], uint32(refcountClusters))
	if h.version == 3 {
		be.PutUint64(b[72:], h.incompatible)
		be.PutUint64(b[80:], h.compatible)
		be.PutUint64(b[88:], h.autoclear)
		be.PutUint32(b[96:], uint32(h.refcountOrder))
		be.PutUint32(b[100:], uint32(length))
		b[104] = h.compression
	}
	b = appendExtension(b, extensionBackingFormat, h.backingFormat)
	b = appendExtension(b, extensionDataFile, h.dataFile)
	b = append(b, make([]byte, 8)...) // the end of the extensions
	if h.backingFile != "" {
		be.PutUint64(b[8:], uint64(len(b)))
		be.PutUint32(b[16:], uint32(len(h.backingFile)))
		b = append(b, h.backingFile...)
	}
	if int64(len(b)) > h.clusterSize() {
		return nil, badOptions("the name of the backing file does not fit into a cluster of %d bytes", h.clusterSize())
	}
	return b, nil
}

// appendExtension appends a header extension unless it has no data.
func appendExtension(b []byte, kind uint32, data string) []byte {
	if data == "" {
		return b
	}
	b = binary.BigEndian.AppendUint32(b, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	b = append(b, data...)
	return append(b, make([]byte, -len(b)&7)...)
}
