package vmdk

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/qedfs/qedfs/adapters/images/internal/fill"
	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// Subformat is how an image lies in files: its createType.
type Subformat uint8

const (
	// MonolithicSparse is one file with the descriptor and the data, which
	// grows as it is written.
	MonolithicSparse Subformat = iota
	// StreamOptimized is one file whose grains are compressed: the form in
	// which disks are shipped and uploaded. It is written once.
	StreamOptimized
	// MonolithicFlat is a descriptor and one file with the disk, byte for byte.
	MonolithicFlat
	// SplitSparse is a descriptor and a sparse file for every 2 GiB.
	SplitSparse
	// SplitFlat is a descriptor and a flat file for every 2 GiB.
	SplitFlat
)

// subformatNames are the names by createType.
func subformatNames() []string {
	return []string{"monolithicSparse", "streamOptimized", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"}
}

// String returns the createType.
func (s Subformat) String() string {
	if names := subformatNames(); int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("subformat %d", uint8(s))
}

func (s Subformat) flat() bool  { return s == MonolithicFlat || s == SplitFlat }
func (s Subformat) split() bool { return s == SplitSparse || s == SplitFlat }

// WriteOptions say what a new image is like. The zero value, and nil, are the
// defaults.
type WriteOptions struct {
	layer.WriteOptions

	// Subformat is how the image lies in files.
	Subformat Subformat

	// Extent creates a file for a part of the disk, by the name that the
	// descriptor gets for it. All subformats but the first two need it. The
	// files are the caller's to close, also after an error.
	Extent func(name string) (backend.Storage, error)

	// ParentName is the name of a VMDK image that shows what the backing file
	// of the source does, and ParentCID that image's [Image.CID]. Only what the
	// source stores itself is written then; it must be a [qedfile.Layer]. Flat
	// images have no parent.
	ParentName string
	ParentCID  uint32

	// Adapter is the controller that the disk is for: "ide", "lsilogic",
	// "buslogic" or "legacyESX". Empty means "ide".
	Adapter string

	// HardwareVersion is that of the virtual machine. Empty means "4".
	HardwareVersion string

	// ToolsVersion is that of the tools in the guest. Empty means
	// "2147483647", which stands for a version that is not known.
	ToolsVersion string

	// ZeroGrains allows writers of a sparse image to mark grains as zeroes.
	ZeroGrains bool

	// FileName is the name of the file. The descriptor mentions it, and the
	// names of further files are made of it. Empty means "disk.vmdk".
	FileName string
}

const (
	newGrain      = 64 << 10
	newGTEs       = 512
	newTableBytes = 4 * newGTEs
	newTableSpan  = newGTEs * newGrain // bytes of the disk that a table maps
	newDescAt     = 1                  // sector
	newDescSize   = 20                 // sectors
	splitBytes    = 2 << 30            // of the disk in each file of a split image
	maxNewSize    = 64 << 40
	maxFileBytes  = sectorSize << 32 // that an entry can name
)

// Write writes the disk src as a new image to dst, which is empty, and to the
// files that opts.Extent creates. If it fails they hold a part of the image.
func Write(ctx context.Context, dst backend.Storage, src qedfile.Disk, opts *WriteOptions) error {
	if opts == nil {
		opts = &WriteOptions{}
	}
	w := &writer{dst: dst, size: layer.RoundUp(src.Size(), sectorSize), opts: opts}
	if err := w.check(src); err != nil {
		return err
	}
	if err := w.createExtents(); err != nil {
		return err
	}
	desc, err := w.descriptor()
	if err != nil {
		return err
	}
	switch {
	case opts.Subformat == StreamOptimized:
		err = w.stream(ctx, src)
	case opts.Subformat.flat():
		err = w.flat(ctx, src)
	default:
		err = w.sparse(ctx, src)
	}
	if err != nil {
		return err
	}
	at := int64(newDescAt * sectorSize)
	if !w.extents[0].embedded {
		at = 0
	}
	_, err = dst.WriteAt(desc, at)
	return err
}

// A writer writes one image.
type writer struct {
	opts    *WriteOptions
	dst     backend.Storage // what has the descriptor
	size    int64           // bytes of the disk
	extents []*newExtent
}

// A newExtent is one file with a part of the disk.
type newExtent struct {
	to       backend.Storage
	name     string
	embedded bool  // the descriptor is in it, too
	size     int64 // bytes of the disk
	end      int64 // of what has a place in the file, in bytes
}

// tables is the number of grain tables.
func (e *newExtent) tables() int64 { return (e.size + newTableSpan - 1) / newTableSpan }

// check refuses what cannot be written.
func (w *writer) check(src qedfile.Disk) error {
	o := w.opts
	switch {
	case int(o.Subformat) >= len(subformatNames()):
		return unsupported("%v", o.Subformat)
	case w.size > maxNewSize:
		return unsupported("a disk of %d bytes, more than 64 TiB", w.size)
	case o.Subformat.split() && w.size > maxExtents*splitBytes:
		return unsupported("a disk of %d bytes in files of 2 GiB", w.size)
	case w.size == 0:
		return unsupported("a disk without bytes")
	case o.Subformat.flat() && o.ParentName != "":
		return unsupported("a flat image with a parent")
	case o.Subformat.flat() && o.ZeroGrains:
		return unsupported("zero grains in a flat image")
	}
	if _, layered := src.(qedfile.Layer); o.ParentName != "" && !layered {
		return unsupported("a parent: the source has none")
	}
	return nil
}

// createExtents creates the files of the disk.
func (w *writer) createExtents() error {
	name := w.opts.FileName
	if name == "" {
		name = "disk.vmdk"
	}
	s := w.opts.Subformat
	if !s.flat() && !s.split() {
		w.extents = []*newExtent{{to: w.dst, name: name, embedded: true, size: w.size}}
		return nil
	}
	if w.opts.Extent == nil {
		return unsupported("%v: no way to create its files", s)
	}
	span, suffix := w.size, func(int64) string { return "flat" }
	switch s {
	case SplitSparse:
		span, suffix = splitBytes, func(i int64) string { return fmt.Sprintf("s%03d", i) }
	case SplitFlat:
		span, suffix = splitBytes, func(i int64) string { return fmt.Sprintf("f%03d", i) }
	}
	ext := path.Ext(name)
	for at := int64(0); at < w.size; at += span {
		e := &newExtent{size: min(span, w.size-at)}
		e.name = strings.TrimSuffix(name, ext) + "-" + suffix(at/span+1) + ext
		var err error
		if e.to, err = w.opts.Extent(e.name); err != nil {
			return fmt.Errorf("vmdk: create extent %q: %w", e.name, err)
		}
		w.extents = append(w.extents, e)
	}
	return nil
}

// pieces are the options for reading the source in grains.
func (w *writer) pieces() *qedfile.PieceOptions {
	p := fill.Pieces(&w.opts.WriteOptions, newGrain)
	p.Own = w.opts.ParentName != ""
	return p
}

// flat writes extents that hold the disk byte for byte.
func (w *writer) flat(ctx context.Context, src qedfile.Disk) error {
	const piece = 1 << 20
	place := func(i int64) (int64, error) { return i * piece, nil }
	if err := fill.Blocks(ctx, flatFiles(w.extents), src, piece, place, &w.opts.WriteOptions); err != nil {
		return err
	}
	var errs []error
	for _, e := range w.extents {
		errs = append(errs, e.to.Truncate(e.size))
	}
	return errors.Join(errs...)
}

// flatFiles writes to extents that follow each other, all but the last of the
// same size. What is written lies in one of them.
type flatFiles []*newExtent

func (f flatFiles) WriteAt(p []byte, off int64) (int, error) {
	return f[off/f[0].size].to.WriteAt(p, off%f[0].size)
}
