package qcow2

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"sync"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// defaultCacheBytes is the budget for tables in memory. With clusters of 64
// KiB it maps 128 GiB of a disk.
const defaultCacheBytes = 16 << 20

// Options say how an image is opened. The zero value, and nil, refuse an image
// that names other files.
type Options struct {
	// Backing opens the backing file that the image names. Nil refuses it.
	Backing qedfile.BackingFunc

	// DataFile opens the external data file that the image names. Nil
	// refuses it.
	DataFile func(name string) (backend.Reader, error)

	// CacheBytes is the budget for tables in memory, for the whole chain.
	// 0 means 16 MiB. Decompressed clusters take up to 4 MiB more.
	CacheBytes int64

	// ForceShare is passed on to Backing.
	ForceShare bool

	// Alone opens neither the backing file nor the data file. What they would
	// show reads as zeroes.
	Alone bool

	// Snapshot is the ID or the name of the internal snapshot to read
	// instead of the current state, as large as the disk was then.
	Snapshot string
}

// Image is an open qcow2 image, seen as the disk that it holds. Any number of
// goroutines may read it at the same time.
type Image struct {
	*layer.Disk
	r        backend.Reader
	header   *header
	fileSize int64

	tables    *qedfile.TableReader
	l1Offset  int64 // of the state that is read: the current one, or a snapshot
	l1Entries int64

	data    *layer.File // what holds the clusters
	dataEnd int64       // no cluster of data begins here or past it
	packed  *packed     // reads compressed clusters

	holes func() bool // whether the map shows those of the file
}

var (
	_ qedfile.Layer  = (*Image)(nil)
	_ qedfile.Mapper = (*Image)(nil)

	_ layer.HoleFormat = (*Image)(nil)
)

// Open opens the image that r holds. The image owns r from then on and closes
// it; after an error r stays the caller's.
//
// Errors match [qedfile.ErrFormat] for what is no valid image,
// [qedfile.ErrUnsupported] for encryption and unknown features,
// [qedfile.ErrBackingDenied] for files that the options do not allow,
// [layer.ErrNoSnapshot] for a snapshot that is not there.
//
// Images that are marked dirty are read as they are: only reference counts
// may be wrong then, which a reader does not need. Those that are marked
// corrupt are read, too, as QEMU does; see [Image.Info].
func Open(r backend.Reader, opts *Options) (*Image, error) {
	if opts == nil {
		opts = &Options{}
	}
	fileSize, err := r.Size()
	if err != nil {
		return nil, err
	}
	h, err := readHeader(r, fileSize)
	if err != nil {
		return nil, err
	}
	m := &Image{r: r, header: h, fileSize: fileSize, l1Offset: h.l1Offset, l1Entries: h.l1Entries}
	size := h.size
	if opts.Snapshot != "" {
		if size, err = m.useSnapshot(opts.Snapshot); err != nil {
			return nil, err
		}
	}
	closers := []io.Closer{r}
	m.dataEnd = fileSize
	if m.data, err = layer.NewFile(&padded{r}); err != nil {
		return nil, err
	}
	if h.hasDataFile() {
		var f backend.Reader = backend.NewMemory(nil)
		if !opts.Alone {
			if f, err = openDataFile(h.dataFile, opts); err != nil {
				return nil, err
			}
		}
		m.dataEnd = math.MaxInt64 // sparse, and as short as it likes
		if m.data, err = layer.NewFile(&padded{f}); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		m.data.Index = 1
		closers = append(closers, f)
	}
	budget := opts.CacheBytes
	if budget <= 0 {
		budget = defaultCacheBytes
	}
	var backing qedfile.Disk
	if h.backingFile != "" && !opts.Alone {
		backing, err = opts.Backing.Open(qedfile.BackingRef{
			Name: h.backingFile, Raw: h.backingFormat == "raw", Format: h.backingFormat,
			CacheBytes: budget / 2, ForceShare: opts.ForceShare,
		})
		if err != nil {
			return nil, errors.Join(err, closeAll(closers[1:]))
		}
		budget /= 2
	}
	m.tables = newTables(r, budget)
	if m.packed, err = newPacked(m, size); err != nil {
		return nil, err
	}
	m.holes = sync.OnceValue(m.lookForHoles)
	m.Disk = layer.New(m, size, backing, closers...)
	return m, nil
}

func openDataFile(name string, opts *Options) (backend.Reader, error) {
	if opts.DataFile == nil {
		return nil, fmt.Errorf("qcow2: data file %q: %w", name, qedfile.ErrBackingDenied)
	}
	f, err := opts.DataFile(name)
	if pe, ok := err.(*fs.PathError); ok {
		err = pe.Err // the name is told
	}
	if err != nil {
		return nil, fmt.Errorf("qcow2: data file %q: %w", name, err)
	}
	return f, nil
}

func closeAll(files []io.Closer) error {
	var err error
	for _, f := range files {
		err = errors.Join(err, f.Close())
	}
	return err
}

// Space implements [backend.SpaceTeller]. As QEMU has it, the data file does
// not count.
func (m *Image) Space() (int64, error) { return backend.Space(m.r) }

// ShowsHoles implements [layer.HoleFormat].
func (m *Image) ShowsHoles() bool { return m.holes() }

// padded is a file that is followed by zeroes: the last cluster of an image
// may be short, and QEMU does not mind.
type padded struct{ backend.Reader }

func (f *padded) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.Reader.ReadAt(p, off)
	if n == len(p) || err != io.EOF {
		return n, err
	}
	clear(p[n:])
	return len(p), nil
}

// NextData implements [backend.DataFinder].
func (f *padded) NextData(off int64) (start, end int64, err error) {
	return backend.NextData(f.Reader, off)
}
