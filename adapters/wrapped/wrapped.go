package wrapped

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"github.com/qedfs/qedfs/backend/errs"
	"io"
	"strings"

	"github.com/qedfs/qedfs/backend"
)

var (
	// ErrNotWrapped is returned for what is no archive and not compressed.
	ErrNotWrapped = errs.New("wrapped", "neither an archive nor compressed", nil)

	// ErrChoice is returned for an archive with several images of which none
	// was chosen, and for one without any. The error names some.
	ErrChoice = errs.New("wrapped", "one member must be named", nil)

	// ErrLimit is returned where unpacking would exceed a limit of the
	// options.
	ErrLimit = errs.New("wrapped", "limit exceeded", nil)

	// ErrDamaged is returned for an archive or a stream that contradicts
	// itself or ends early.
	ErrDamaged = errs.New("wrapped", "damaged", nil)
)

// Options bound what is unpacked. The zero value, and nil, are the defaults.
type Options struct {
	// TempDir is where a stream without an index is unpacked. Empty means
	// [os.TempDir].
	TempDir string

	// MaxSize is the largest size in bytes that something may unpack to. 0
	// means 256 GiB.
	MaxSize int64

	// MaxRatio is how many bytes that are not zero may come out of each byte
	// that goes in, beyond the first 64 MiB. 0 means 250. Disks have long
	// runs of zeroes, which are not stored; nothing else compresses so well.
	MaxRatio int64

	// Progress is told how much of the packed bytes has been unpacked.
	Progress func(done, total int64)
}

func (o *Options) withDefaults() *Options {
	var out Options
	if o != nil {
		out = *o
	}
	out.MaxSize = cmp.Or(out.MaxSize, 256<<30)
	out.MaxRatio = cmp.Or(out.MaxRatio, 250)
	return &out
}

// maxDepth is how many wrappers may lie in each other.
const maxDepth = 4

// An Image is what was found inside. Closing it closes the reader that [Open]
// was given, and removes what was unpacked.
type Image struct {
	backend.Reader
	// Member is the path of the image in its archive; empty for a compressed
	// file.
	Member  string
	archive archive          // that Member is of, or nil
	below   []backend.Reader // to be closed after Reader
}

// Close closes the image and all beneath it.
func (m *Image) Close() error {
	err := m.Reader.Close()
	for _, r := range m.below {
		err = errors.Join(err, r.Close())
	}
	return err
}

// NextData implements [backend.DataFinder].
func (m *Image) NextData(off int64) (start, end int64, err error) {
	return backend.NextData(m.Reader, off)
}

// Prefetch implements [backend.Prefetcher].
func (m *Image) Prefetch(ranges []backend.Range) { backend.Prefetch(m.Reader, ranges) }

// Prefetches implements [backend.Prefetcher].
func (m *Image) Prefetches() bool { return backend.Prefetches(m.Reader) }

// InArchive reports whether the image is a member of an archive.
func (m *Image) InArchive() bool { return m.archive != nil }

// Beside opens another member of the image's archive, by a path that begins
// where the image lies. It is not usable after the image is closed. Errors
// match [io/fs.ErrNotExist] where there is none.
func (m *Image) Beside(ctx context.Context, name string, opts *Options) (backend.Reader, error) {
	if m.archive == nil {
		return nil, fmt.Errorf("%w: nothing lies beside the image", ErrNotWrapped)
	}
	return m.archive.open(ctx, beside(m.Member, name), opts.withDefaults())
}

// An archive has members, which are opened by their cleaned paths.
type archive interface {
	members() []member
	open(ctx context.Context, name string, opts *Options) (backend.Reader, error)
}

// A kind is a way of wrapping.
type kind int

const (
	kindNone kind = iota
	kindTar
	kindZip
	kindGzip
	kindBzip2
	kindXZ
	kindZstd
)

// signatures are what files begin with, at an offset.
var signatures = []struct {
	kind  kind
	at    int
	magic string
}{
	{kindGzip, 0, "\x1f\x8b\x08"},
	{kindBzip2, 0, "BZh"},
	{kindXZ, 0, "\xfd7zXZ\x00"},
	{kindZstd, 0, "\x28\xb5\x2f\xfd"},
	{kindZip, 0, "PK\x03\x04"},
	{kindTar, 257, "ustar\x00"},
	{kindTar, 257, "ustar  \x00"},
}

func kindOf(r io.ReaderAt) (kind, error) {
	head := make([]byte, 512)
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return kindNone, err
	}
	for _, s := range signatures {
		if s.at <= n && bytes.HasPrefix(head[s.at:n], []byte(s.magic)) {
			return s.kind, nil
		}
	}
	// A skippable frame (RFC 8878, section 3.1.2) may come first.
	if n >= 4 && head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18" {
		return kindZstd, nil
	}
	return kindNone, nil
}

// suffixes are the names that wrapped images have.
var suffixes = []string{
	".tar", ".ova", ".box", ".zip", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".tzst",
}

// Named reports whether a name looks as if something were wrapped.
func Named(name string) bool {
	name = strings.ToLower(name)
	for _, s := range suffixes {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

// Is reports whether r holds an archive or something compressed, by its first
// bytes.
func Is(r io.ReaderAt) (bool, error) {
	k, err := kindOf(r)
	return k != kindNone, err
}

// Open finds the image inside r, of which [Is] is true. Wrappers in each other
// are opened too, up to four. In an archive it takes the member of the given
// name or, if that is empty, the only one that looks like an image. It owns r
// unless it fails; the context ends unpacking.
//
// Errors match [ErrNotWrapped], [ErrChoice], [ErrLimit], [ErrDamaged], and
// [io/fs.ErrNotExist] where the archive has no such member.
func Open(ctx context.Context, r backend.Reader, name string, opts *Options) (*Image, error) {
	opts = opts.withDefaults()
	m := &Image{Reader: r}
	ok, err := m.unwrap(ctx, &name, opts)
	if err == nil && !ok {
		err = ErrNotWrapped
	}
	for depth := 1; ok && err == nil; depth++ {
		if depth > maxDepth {
			err = fmt.Errorf("%w: more than %d wrappers in each other", ErrLimit, maxDepth)
			break
		}
		ok, err = m.unwrap(ctx, &name, opts)
	}
	if err == nil && name != "" {
		err = fmt.Errorf("%w: it has no members", ErrNotWrapped)
	}
	if err != nil {
		m.closeAbove(r)
		return nil, err
	}
	return m, nil
}

// closeAbove closes what lies above r, which stays the caller's.
func (m *Image) closeAbove(r backend.Reader) {
	for _, opened := range append([]backend.Reader{m.Reader}, m.below...) {
		if opened != r {
			_ = opened.Close() // there is an error to report already
		}
	}
}

// unwrap takes one wrapper off, and says whether there was one.
func (m *Image) unwrap(ctx context.Context, name *string, opts *Options) (bool, error) {
	k, err := kindOf(m.Reader)
	if err != nil || k == kindNone {
		return false, err
	}
	inner, err := m.inside(ctx, k, name, opts)
	if err != nil {
		return false, err
	}
	m.below = append([]backend.Reader{m.Reader}, m.below...)
	m.Reader = inner
	return true, nil
}

func (m *Image) inside(ctx context.Context, k kind, name *string, opts *Options) (backend.Reader, error) {
	var a archive
	var err error
	switch k {
	case kindTar:
		a, err = readTar(ctx, m.Reader)
	case kindZip:
		a, err = readZip(m.Reader)
	default:
		return unpack(ctx, m.Reader, k, opts)
	}
	if err != nil {
		return nil, err
	}
	chosen := clean(*name)
	if *name == "" {
		if chosen, err = choose(a, opts); err != nil {
			return nil, err
		}
	}
	*name = ""
	r, err := a.open(ctx, chosen, opts)
	if err != nil {
		return nil, err
	}
	m.archive, m.Member = a, chosen
	return r, nil
}
