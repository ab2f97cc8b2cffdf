package wrapped

import (
	"archive/zip"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"github.com/qedfs/qedfs/backend/errs"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/qedfs/qedfs/backend"
)

// zipArchive is a zip file. Stored members are read in place, without their
// check sums; others are unpacked.
type zipArchive struct {
	r     backend.Reader
	names map[string]*zip.File
	order []string
}

func readZip(r backend.Reader) (*zipArchive, error) {
	size, err := r.Size()
	if err != nil {
		return nil, err
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, damaged(err)
	}
	if len(z.File) > maxMembers {
		return nil, fmt.Errorf("%w: more than %d members", ErrLimit, maxMembers)
	}
	z.RegisterDecompressor(zstd.ZipMethodWinZip, zstd.ZipDecompressor(zstd.WithDecoderMaxWindow(maxWindow)))
	z.RegisterDecompressor(zipBzip2, func(r io.Reader) io.ReadCloser { return io.NopCloser(bzip2.NewReader(r)) })
	a := &zipArchive{r: r, names: make(map[string]*zip.File)}
	for _, f := range z.File {
		if !f.Mode().IsRegular() {
			continue
		}
		name := clean(f.Name)
		if _, again := a.names[name]; !again {
			a.order = append(a.order, name)
		}
		a.names[name] = f
	}
	return a, nil
}

const (
	zipEncrypted = 1  // APPNOTE.TXT, section 4.4.4, bit 0
	zipBzip2     = 12 // section 4.4.5
)

func (a *zipArchive) members() []member {
	out := make([]member, len(a.order))
	for i, name := range a.order {
		out[i].name = name
		out[i].stored, _ = a.stored(a.names[name])
	}
	return out
}

// stored returns the bytes of a member that is not compressed, or nil.
func (a *zipArchive) stored(f *zip.File) (backend.Reader, error) {
	if f.Method != zip.Store || f.Flags&zipEncrypted != 0 {
		return nil, nil
	}
	off, err := f.DataOffset()
	if err != nil {
		return nil, damaged(err)
	}
	size, err := a.r.Size()
	if err != nil {
		return nil, err
	}
	if f.CompressedSize64 != f.UncompressedSize64 || off > size || f.UncompressedSize64 > uint64(size-off) {
		return nil, fmt.Errorf("%w: member %.100q is cut off", ErrDamaged, f.Name)
	}
	return backend.NewSection(a.r, off, int64(f.UncompressedSize64))
}

func (a *zipArchive) open(ctx context.Context, name string, opts *Options) (backend.Reader, error) {
	f := a.names[name]
	if f == nil {
		return nil, noMember(name)
	}
	if f.Flags&zipEncrypted != 0 {
		return nil, errs.Errorf("wrapped", "member %.100q is encrypted: %w", name, errors.ErrUnsupported)
	}
	if r, err := a.stored(f); r != nil || err != nil {
		return r, err
	}
	r, err := f.Open()
	if errors.Is(err, zip.ErrAlgorithm) {
		return nil, errs.Errorf("wrapped", "member %.100q is compressed by method %d: %w", name, f.Method, errors.ErrUnsupported)
	}
	if err != nil {
		return nil, damaged(err)
	}
	defer r.Close()
	packed := int64(min(f.CompressedSize64, 1<<62))
	return toTemp(ctx, stream{r, packed, func() int64 { return packed }}, opts)
}
