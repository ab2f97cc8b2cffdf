package qedfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/qedfs/qedfs/backend"
)

// defaultCacheBytes is the budget for tables in memory. With the default
// geometry it maps 128 GiB of a disk.
const defaultCacheBytes = 16 << 20

// Options say how an image is opened. The zero value, and nil, open it for
// reading and refuse one that has a backing file: [OpenChain] opens such.
type Options struct {
	// Backing opens the backing file that the image names. Nil refuses it.
	// See [SiblingBacking] and [AnyBacking].
	Backing BackingFunc

	// CacheBytes is the budget for tables in memory, for the whole chain.
	// 0 means 16 MiB.
	CacheBytes int64

	// Writable opens the image for writing; [New] then needs a
	// [backend.Storage].
	Writable bool

	// Dirty says what to do when an image that was not closed properly is
	// opened for writing. Without Writable it must be left alone.
	Dirty DirtyPolicy

	// ForceShare reads files that another process has open for writing: the
	// one that is opened by name, and those of its backing chain.
	ForceShare bool

	// Logger is told what is done without being asked for: the repair of a
	// dirty image. Nil is silent.
	Logger *slog.Logger
}

// Image is an open QED image, seen as the disk that it holds.
//
// Any number of goroutines may read and write it at the same time. Read and
// Seek share one offset, as with an [os.File]. A write that returned is seen
// by every read that begins after it; it is on the disk when [Image.Sync]
// returns. Reads of bytes that a concurrent Resize cuts off have no defined
// result.
type Image struct {
	r       backend.Reader
	w       backend.Storage // nil when opened for reading
	geo     geometry
	cache   *tableCache
	buffers buffers
	logger  *slog.Logger

	backing     Disk  // nil when there is none
	backingSize int64 // bytes, rounded up to a sector; 0 without a backing file

	header  atomic.Pointer[Header] // never changed in place
	size    atomic.Int64           // bytes of the disk
	end     atomic.Int64           // end of the last cluster of the file: the next is allocated here
	present atomic.Int64           // bytes that the file is known to have, at least

	closed       atomic.Bool
	knownCorrupt atomic.Bool // an invalid table entry was met

	openedEnd int64 // end when the image was opened for writing
	write     writeState

	stats counters // away from what every read looks at: it changes all the time

	seek struct {
		sync.Mutex
		offset int64
	}
}

var (
	_ WritableDisk  = (*Image)(nil)
	_ Mapper        = (*Image)(nil)
	_ Layer         = (*Image)(nil)
	_ io.ReadSeeker = (*Image)(nil)
	_ io.WriterTo   = (*Image)(nil)
)

// Open opens an image file. Errors are those of [New] and of
// [backend.OpenFile], in an [fs.PathError].
//
// An image that has a backing file is refused with [ErrBackingDenied] unless
// Options.Backing allows it: who made the image chose the name of that file.
// [OpenChain] allows those in the image's directory.
func Open(name string, opts *Options) (*Image, error) {
	if opts == nil {
		opts = &Options{}
	}
	flag := os.O_RDONLY
	if opts.Writable {
		flag = os.O_RDWR
	}
	f, err := backend.OpenFile(name, flag, &backend.FileOptions{ForceShare: opts.ForceShare})
	if err != nil {
		return nil, err
	}
	m, err := New(f, opts)
	if err == nil {
		return m, nil
	}
	f.Close()
	if opts.Backing == nil && errors.Is(err, ErrBackingDenied) {
		err = fmt.Errorf("%w: to allow files in the image's directory, use qedfile.OpenChain(%q, nil)", err, name)
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: err}
}

// OpenChain is [Open] with the backing files that lie in the directory of the
// image, as [SiblingBacking] opens them. Options.Backing must be nil.
func OpenChain(name string, opts *Options) (*Image, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Backing != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: invalid("two ways to open backing files")}
	}
	o.Backing = SiblingBacking(name)
	return Open(name, &o)
}

// NewReader opens the image of size bytes that r holds, for reading: a member
// of an archive, a part of a file, bytes in memory. Closing the image leaves r
// open. Errors are those of [New].
func NewReader(r io.ReaderAt, size int64, opts *Options) (*Image, error) {
	section, err := backend.NewSection(r, 0, size)
	if err != nil {
		return nil, err
	}
	return New(section, opts)
}

// New opens the image that r holds. The image owns r from then on and closes
// it; after an error r stays the caller's.
//
// The errors are [ErrFormat] and [ErrUnsupported] for what is not, or not
// quite, a QED image; [ErrBackingDenied], [ErrBackingLoop] and whatever
// Options.Backing returns for the chain; [ErrReadOnly] when Options.Writable
// asks for more than r can do; [ErrNeedsRepair] as Options.Dirty says.
func New(r backend.Reader, opts *Options) (*Image, error) {
	if opts == nil {
		opts = &Options{}
	}
	h, err := ReadHeader(r)
	if err != nil {
		return nil, err
	}
	return newImage(r, h, opts)
}

// newImage is New for an image whose header is known.
func newImage(r backend.Reader, h *Header, opts *Options) (*Image, error) {
	var w backend.Storage
	if opts.Writable {
		var ok bool
		if w, ok = r.(backend.Storage); !ok {
			return nil, fmt.Errorf("%w: its storage cannot be written", ErrReadOnly)
		}
		if err := h.checkChangeable(); err != nil {
			return nil, err
		}
	} else if opts.Dirty != DirtyRepair {
		return nil, invalid("a policy for dirty images without Options.Writable")
	}
	fileSize, err := r.Size()
	if err != nil {
		return nil, err
	}
	m := &Image{r: r, w: w, logger: opts.Logger}
	m.header.Store(h)
	m.size.Store(h.ImageSize)
	m.end.Store(h.usableSize(fileSize))
	m.present.Store(fileSize)
	budget := opts.CacheBytes
	if budget <= 0 {
		budget = defaultCacheBytes
	}
	if budget, err = m.openBacking(opts, budget); err != nil {
		return nil, err
	}
	m.geo = newGeometry(h, budget)
	m.cache = newTableCache(budget, m.geo.sliceBytes())
	if w != nil {
		if err := m.beginWriting(opts.Dirty); err != nil {
			return nil, errors.Join(err, m.closeBacking())
		}
	}
	m.announceTables()
	return m, nil
}

// Size returns the size of the disk in bytes.
func (m *Image) Size() int64 { return m.size.Load() }

// Header returns a copy of the image's header as it is now.
func (m *Image) Header() *Header {
	h := *m.header.Load()
	return &h
}

// Backing returns the open backing file, or nil. It belongs to the image.
func (m *Image) Backing() Disk { return m.backing }

func (m *Image) closeBacking() error {
	if m.backing == nil {
		return nil
	}
	return m.backing.Close()
}

// Close closes the image and its backing chain. Where the image was changed
// it first does what Sync does and marks it clean; an error means that what
// was written since the last Sync may be lost. Calls after the first return
// [fs.ErrClosed].
func (m *Image) Close() error {
	if m.closed.Swap(true) {
		return fs.ErrClosed
	}
	var err error
	if m.w != nil {
		err = m.endWriting()
	}
	return errors.Join(err, m.r.Close(), m.closeBacking())
}
