package images

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/adapters/images/qcow2"
	"github.com/qedfs/qedfs/adapters/images/vdi"
	"github.com/qedfs/qedfs/adapters/images/vhd"
	"github.com/qedfs/qedfs/adapters/images/vhdx"
	"github.com/qedfs/qedfs/adapters/images/vmdk"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// Options say how an image is opened. The zero value, and nil, recognise its
// format and open no other file.
type Options struct {
	// Format is the name of the format, as qemu-img has it. Empty recognises
	// it; raw disks are not recognised.
	Format string

	// Files opens the files that the image names. Nil refuses images that
	// need any. [Siblings] is the choice for images that are not trusted.
	Files Files

	// CacheBytes is the budget for tables in memory. 0 means 16 MiB.
	CacheBytes int64

	// ForceShare reads files that another process has open for writing.
	ForceShare bool

	// Alone opens the image by itself, as for what it says of itself: no
	// backing file or parent, whose contents read as zeroes, and no data file.
	Alone bool

	// Snapshot is the name or the ID of the internal snapshot to read
	// instead of the current state. Only qcow2 images have them.
	Snapshot string
}

// Files opens the files that an image names. A [qedfile.Files] is one, for
// files of the host.
type Files interface {
	// Backing opens a backing file or parent.
	Backing(qedfile.BackingRef) (qedfile.Disk, error)
	// Open opens a file that holds a part of the image itself.
	Open(name string, forceShare bool) (backend.Reader, error)
}

// Info is what an image says of itself.
type Info = layer.Info

// Describer is implemented by the disks of this package's formats. QED and raw
// disks are not among them.
type Describer interface {
	Info() (*Info, error)
}

// Siblings is [qedfile.Siblings] with the formats of this package.
func Siblings(image string) *qedfile.Files { return qedfile.Siblings(image).With(openBacking) }

// Anywhere is [qedfile.Anywhere] with the formats of this package.
func Anywhere(image string) *qedfile.Files { return qedfile.Anywhere(image).With(openBacking) }

// Beside is [qedfile.Beside] with the formats of this package.
func Beside(image string, open func(name string) (backend.Reader, error)) *qedfile.Files {
	return qedfile.Beside(image, open).With(openBacking)
}

// openBacking is a [qedfile.FormatFunc].
func openBacking(format string, r backend.Reader, files *qedfile.Files, ref qedfile.BackingRef) (qedfile.Disk, error) {
	return open(format, r, &Options{Files: files, CacheBytes: ref.CacheBytes, ForceShare: ref.ForceShare})
}

// Open opens the image of this name for reading. Errors are those of
// [NewReader] and [backend.OpenFile], in an [fs.PathError].
func Open(name string, opts *Options) (qedfile.Disk, error) {
	f, err := backend.OpenFile(name, os.O_RDONLY, &backend.FileOptions{ForceShare: opts != nil && opts.ForceShare})
	if err != nil {
		return nil, err
	}
	d, err := NewReader(f, opts)
	if err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return d, nil
}

// NewReader opens the image that r holds. The disk owns r from then on and
// closes it; after an error r stays the caller's.
//
// Errors match [qedfile.ErrFormat] for what is no valid image,
// [qedfile.ErrUnsupported] for a format or a feature that is not read here,
// [qedfile.ErrBackingDenied], [qedfile.ErrBackingLoop] and whatever
// Options.Files returns for the files that the image names.
func NewReader(r backend.Reader, opts *Options) (qedfile.Disk, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Format != "" {
		return open(o.Format, r, &o)
	}
	format, err := qedfile.Probe(r)
	if err != nil {
		return nil, err
	}
	if format == "raw" {
		return nil, fmt.Errorf("images: %w: no format is recognised; a raw disk must be said to be one", qedfile.ErrFormat)
	}
	return open(format, r, &o)
}

// A reader opens an image of one format.
type reader struct {
	format string
	open   func(r backend.Reader, backing qedfile.BackingFunc, o *Options) (qedfile.Disk, error)
}

// readers are the formats besides raw and QED.
func readers() []reader {
	return []reader{
		{"qcow2", func(r backend.Reader, backing qedfile.BackingFunc, o *Options) (qedfile.Disk, error) {
			return qcow2.Open(r, &qcow2.Options{
				Backing: backing, DataFile: o.opener(), CacheBytes: o.CacheBytes, ForceShare: o.ForceShare, Alone: o.Alone, Snapshot: o.Snapshot,
			})
		}},
		{vmdk.Format, func(r backend.Reader, backing qedfile.BackingFunc, o *Options) (qedfile.Disk, error) {
			return vmdk.Open(r, &vmdk.Options{Backing: backing, Extent: o.opener(), CacheBytes: o.CacheBytes, ForceShare: o.ForceShare, Alone: o.Alone})
		}},
		{vdi.Format, func(r backend.Reader, _ qedfile.BackingFunc, o *Options) (qedfile.Disk, error) {
			return vdi.Open(r, &vdi.Options{Parent: o.vdiParent(), CacheBytes: o.CacheBytes, Alone: o.Alone})
		}},
		{vhd.Format, func(r backend.Reader, backing qedfile.BackingFunc, o *Options) (qedfile.Disk, error) {
			return vhd.Open(r, &vhd.Options{Backing: backing, CacheBytes: o.CacheBytes, ForceShare: o.ForceShare, Alone: o.Alone})
		}},
		{vhdx.Format, func(r backend.Reader, backing qedfile.BackingFunc, o *Options) (qedfile.Disk, error) {
			return vhdx.Open(r, &vhdx.Options{Backing: backing, CacheBytes: o.CacheBytes, ForceShare: o.ForceShare, Alone: o.Alone})
		}},
	}
}

// Formats returns the names of the formats that are read, raw and QED first.
func Formats() []string {
	names := []string{"raw", "qed"}
	for _, r := range readers() {
		names = append(names, r.format)
	}
	return names
}

// open opens an image of a format.
func open(format string, r backend.Reader, o *Options) (qedfile.Disk, error) {
	if o.Snapshot != "" && format != "qcow2" {
		return nil, fmt.Errorf("images: %w: snapshots inside %s images", qedfile.ErrUnsupported, format)
	}
	var backing qedfile.BackingFunc
	switch {
	case o.Alone: // for QED; the others do not ask
		backing = func(qedfile.BackingRef) (qedfile.Disk, error) { return qedfile.NewRaw(backend.NewMemory(nil)) }
	case o.Files != nil:
		backing = o.Files.Backing
	}
	switch format {
	case "raw":
		return qedfile.NewRaw(r)
	case "qed":
		return qedfile.New(r, &qedfile.Options{Backing: backing, CacheBytes: o.CacheBytes, ForceShare: o.ForceShare})
	}
	for _, f := range readers() {
		if f.format == format {
			return f.open(r, backing, o)
		}
	}
	return nil, fmt.Errorf("images: %w: images of the format %q", qedfile.ErrUnsupported, format)
}

// opener opens the files that hold parts of an image, or is nil.
func (o *Options) opener() func(name string) (backend.Reader, error) {
	if o.Files == nil {
		return nil
	}
	return func(name string) (backend.Reader, error) { return o.Files.Open(name, o.ForceShare) }
}
