package qedfile

import (
	"fmt"
	"math"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/newfile"
)

// Geometry of a new image, as qemu-img chooses it.
const (
	DefaultClusterSize = 64 << 10 // bytes
	DefaultTableSize   = 4        // clusters
)

const maxFileSize = math.MaxInt64 &^ (sectorSize - 1)

// CreateOptions says what a new image is like. The zero value, and nil, give
// qemu-img's default.
type CreateOptions struct {
	ClusterSize int64 // bytes, a power of two from 4 KiB to 64 MiB; 0 means 64 KiB

	// TableSize is a power of two from 1 to 16 clusters; 0 means 4. No
	// version of qemu can open an image whose tables have 1 cluster.
	TableSize int64

	// BackingFile names the file that shows through where the image holds
	// nothing, as the image shall store it: at most 1023 bytes. A relative
	// name is relative to the image.
	BackingFile string

	// BackingRaw says that the backing file is raw. Else it is a QED image:
	// QED records only whether it is raw.
	BackingRaw bool

	// SizeOfBacking makes the disk as large as that of the backing file. The
	// size that is given must be 0.
	SizeOfBacking bool

	// Backing opens the backing file, as in [Options]. It must be set where
	// BackingFile is.
	Backing BackingFunc

	// CacheBytes is the budget for tables in memory, as in [Options].
	CacheBytes int64
}

// open is how a new image is opened.
func (o *CreateOptions) open() *Options {
	return &Options{Backing: o.Backing, CacheBytes: o.CacheBytes, Writable: true}
}

// Create makes a new image of size bytes, rounded up to 512, and opens it. It
// never replaces a file. The file has its name once it is whole and on the
// disk.
//
// With [CreateOptions.SizeOfBacking] the size is that of the backing file.
func Create(name string, size int64, opts *CreateOptions) (*Image, error) {
	if opts == nil {
		opts = &CreateOptions{}
	}
	f, err := newfile.Create(name, &newfile.Options{Exclusive: true})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	img, err := CreateIn(f.Storage(), size, opts)
	if err != nil {
		return nil, err
	}
	if err := img.Close(); err != nil {
		return nil, err
	}
	if err := f.Commit(); err != nil {
		return nil, err
	}
	return Open(name, opts.open())
}

// CreateIn is Create in an empty storage. The image owns it from then on; if
// an error is returned it stays the caller's.
func CreateIn(s backend.Storage, size int64, opts *CreateOptions) (*Image, error) {
	if n, err := s.Size(); err != nil || n != 0 {
		return nil, failed("create", notEmpty(n, err))
	}
	if opts == nil {
		opts = &CreateOptions{}
	}
	if opts.SizeOfBacking {
		if size != 0 {
			return nil, failed("create", invalid("a size of %d bytes and that of the backing file", size))
		}
		var err error
		if size, err = opts.backingSize(); err != nil {
			return nil, err
		}
	}
	h, err := opts.header(size)
	if err != nil {
		return nil, err
	}
	if err := writeNew(s, h); err != nil {
		return nil, failed("create", err)
	}
	return New(s, opts.open())
}

// notEmpty is the error for a storage of n bytes that should have none.
func notEmpty(n int64, err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("the storage holds %d bytes already", n)
}

// backingSize is the size of the backing file's disk.
func (o *CreateOptions) backingSize() (int64, error) {
	switch {
	case o.BackingFile == "":
		return 0, invalid("neither a size nor a backing file is given")
	case o.Backing == nil:
		return 0, fmt.Errorf("%w: %q", ErrBackingDenied, o.BackingFile)
	}
	d, err := o.Backing(BackingRef{Name: o.BackingFile, Raw: o.BackingRaw, CacheBytes: o.CacheBytes})
	if err != nil {
		return 0, errorf("backing file %q: %w", o.BackingFile, err)
	}
	return d.Size(), d.Close()
}

// writeNew writes an image without data. The header comes last, so that a
// crash leaves either an image or a file that is not recognised as one.
func writeNew(s backend.Storage, h *Header) error {
	if err := s.Truncate(h.dataStart() + h.tableBytes()); err != nil {
		return err
	}
	if h.BackingFile != "" {
		if _, err := s.WriteAt([]byte(h.BackingFile), int64(h.backingNameOffset)); err != nil {
			return err
		}
	}
	return writeHeader(s, h)
}

// header is the header of a new image of size bytes.
func (o *CreateOptions) header(size int64) (*Header, error) {
	if o == nil {
		o = &CreateOptions{}
	}
	h := &Header{ClusterSize: o.ClusterSize, TableSize: o.TableSize, HeaderSize: 1}
	if h.ClusterSize == 0 {
		h.ClusterSize = DefaultClusterSize
	}
	if h.TableSize == 0 {
		h.TableSize = DefaultTableSize
	}
	if !validClusterSize(h.ClusterSize) {
		return nil, invalid("cluster size %d is not a power of two from %d to %d", h.ClusterSize, minClusterSize, maxClusterSize)
	}
	if !validTableSize(h.TableSize) {
		return nil, invalid("table size %d is not a power of two from %d to %d clusters", h.TableSize, minTableSize, maxTableSize)
	}
	rounded, err := roundToSector(size)
	if err != nil {
		return nil, err
	}
	if rounded > h.MaxImageSize() {
		return nil, invalid("a size of %d bytes is beyond the %d that this geometry can address", size, h.MaxImageSize())
	}
	h.ImageSize = rounded
	h.L1TableOffset = h.dataStart()
	if o.BackingFile == "" {
		return h, nil
	}
	return h, h.setBacking(o.BackingFile, o.BackingRaw)
}
