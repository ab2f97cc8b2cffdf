package vmdk

import (
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// Format is the name that the format has in qemu.
const Format = "vmdk"

// Options say how an image is opened. The zero value, and nil, are the
// defaults.
type Options struct {
	// Backing opens the parent of an image that has one. The Disk that it
	// returns must be an [Image] or have a CID method like it. Nil refuses
	// such images with [qedfile.ErrBackingDenied].
	Backing qedfile.BackingFunc

	// Extent opens a file of the disk by the name that the descriptor has
	// for it, as [qedfile.Files.Open] does. Nil refuses disks that do not lie
	// in one file, with [qedfile.ErrBackingDenied].
	Extent func(name string) (backend.Reader, error)

	// CacheBytes is how much of the tables is kept in memory at most, in
	// bytes; zero means 16 MiB. A parent gets half of it.
	CacheBytes int64

	// ForceShare is handed to Backing.
	ForceShare bool

	// Alone opens no parent. What it would show reads as zeroes.
	Alone bool
}

// Image is an image that is opened as the disk in it. It is safe for
// concurrent use.
type Image struct {
	*layer.Disk
	descriptor Descriptor
	parts      []part
	files      []string // names of those that extents lie in
}

var (
	_ qedfile.Mapper = (*Image)(nil)
	_ qedfile.Layer  = (*Image)(nil)
)

// Open opens the image in r: a descriptor, or a sparse extent that has its
// descriptor inside. Close closes r. If Open fails r stays open.
func Open(r backend.Reader, opts *Options) (*Image, error) {
	if opts == nil {
		opts = &Options{}
	}
	budget := opts.CacheBytes
	if budget <= 0 {
		budget = layer.DefaultCacheBytes
	}
	o := &opener{opts: opts, budget: budget / 2, first: r} // half is for a parent, if there is one
	d, err := o.open(r)
	if err != nil {
		return nil, errors.Join(err, o.closeExtents())
	}
	m := &concatenation{o.parts}
	return &Image{Disk: layer.New(m, m.size(), o.parent, o.files...), descriptor: *d, parts: o.parts, files: o.names}, nil
}

// Descriptor returns what describes the disk.
func (m *Image) Descriptor() Descriptor { return m.descriptor }

// CID returns the number that changes with the contents of the disk, by which
// a disk over this one knows it.
func (m *Image) CID() uint32 { return m.descriptor.CID }

// Info returns what "qemu-img info" shows. The files of extents have the names
// that the descriptor has.
func (m *Image) Info() (*layer.Info, error) {
	info := &layer.Info{Format: Format, VirtualSize: m.Size(), BackingFile: m.descriptor.ParentName, Files: m.files}
	if info.BackingFile != "" {
		info.BackingFormat = Format
	}
	var extents [][]layer.Detail
	for _, p := range m.parts {
		var extent []layer.Detail
		t, sparse := p.format.(*grainTables)
		if sparse && t.unpack != nil {
			extent = append(extent, layer.Detail{Key: "compressed", Value: true})
		}
		extent = append(extent, layer.Detail{Key: "virtual-size", Value: p.end - p.start}, layer.Detail{Key: "filename", Value: p.Name})
		if sparse {
			extent = append(extent, layer.Detail{Key: "cluster-size", Value: t.grain})
			info.ClusterSize = t.grain
		}
		extents = append(extents, append(extent, layer.Detail{Key: "format", Value: p.Type}))
	}
	info.Details = []layer.Detail{
		{Key: "cid", Value: int64(m.descriptor.CID)},
		{Key: "parent-cid", Value: int64(m.descriptor.ParentCID)},
		{Key: "create-type", Value: m.descriptor.CreateType},
		{Key: "extents", Value: extents},
	}
	return info, nil
}

// An opener puts an image together.
type opener struct {
	opts   *Options
	budget int64 // bytes of cache for the extents and for the parent
	first  backend.Reader
	parts  []part
	files  []io.Closer // the first one reads what Open was given
	names  []string    // of the other files
	parent qedfile.Disk
}

// A part of the disk lies in one extent.
type part struct {
	start, end int64 // bytes of the disk
	format     layer.Format
	Extent     // as the descriptor has it; zero for the file that the descriptor is in
}

// closeExtents closes what was opened besides the first file.
func (o *opener) closeExtents() error {
	var errs []error
	for _, f := range o.files {
		if lf, ok := f.(*layer.File); ok && lf.Reader == o.first {
			continue
		}
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

func (o *opener) open(r backend.Reader) (*Descriptor, error) {
	f, err := layer.NewFile(r)
	if err != nil {
		return nil, err
	}
	var magic [4]byte
	if err := f.Header(Format, "header", magic[:], 0); err != nil {
		return nil, err
	}
	var d *Descriptor
	switch string(magic[:]) {
	case magicCOWD:
		return nil, invalid("this is one extent of a disk; open the descriptor, which names it")
	case magicSparse:
		d, err = o.openSparse(f)
	default:
		if d, err = readDescriptor(f, 0, f.Bytes); err == nil {
			err = o.openExtents(f, d)
		}
	}
	if err != nil {
		return nil, err
	}
	if d.HasParent() && !o.opts.Alone {
		o.parent, err = o.openParent(d)
	}
	return d, err
}

func readDescriptor(f *layer.File, at, n int64) (*Descriptor, error) {
	n = min(n, maxDescriptor, f.Bytes-at)
	if n <= 0 {
		return nil, invalid("no descriptor at %d", at)
	}
	b := make([]byte, n)
	if _, err := f.ReadAt(b, at); err != nil {
		return nil, fmt.Errorf("vmdk: read the descriptor at %d: %w", at, err)
	}
	return ParseDescriptor(b)
}

// openSparse opens a file that begins with a sparse header: a disk in one file,
// whose descriptor names the file itself, by whatever name it had; or, with a
// capacity of 0, a descriptor of other extents.
func (o *opener) openSparse(f *layer.File) (*Descriptor, error) {
	h, err := readSparseHeader(f)
	if err != nil {
		return nil, err
	}
	if h.descriptor == 0 || h.descSize == 0 {
		return nil, invalid("this is one extent of a disk; open the descriptor, which names it")
	}
	d, err := readDescriptor(f, int64(h.descriptor)*sectorSize, int64(min(h.descSize, maxDescriptor/sectorSize))*sectorSize)
	if err != nil {
		return nil, err
	}
	if h.capacity == 0 {
		return d, o.openExtents(f, d)
	}
	t, err := newSparse(f, h, o.budget)
	if err != nil {
		return nil, err
	}
	o.files = append(o.files, f)
	self := Extent{}
	if len(d.Extents) == 1 {
		self.Name = d.Extents[0].Name
	}
	return d, o.add(self, t, t.size)
}

// add appends a part of size bytes to the disk.
func (o *opener) add(e Extent, m layer.Format, size int64) error {
	start := int64(0)
	if n := len(o.parts); n > 0 {
		start = o.parts[n-1].end
	}
	if size > maxSectors*sectorSize-start {
		return invalid("the extents are too large together")
	}
	o.parts = append(o.parts, part{start, start + size, m, e})
	return nil
}

// openExtents opens the extents that a descriptor in f names.
func (o *opener) openExtents(f *layer.File, d *Descriptor) error {
	o.files = append(o.files, f)
	if len(d.Extents) == 0 {
		return invalid("the descriptor has no extents")
	}
	for _, e := range d.Extents {
		if err := o.openExtent(e, o.budget/int64(len(d.Extents))); err != nil {
			return fmt.Errorf("vmdk: extent %q: %w", e.Name, err)
		}
	}
	return nil
}

func (o *opener) openExtent(e Extent, budget int64) error {
	size := e.Sectors * sectorSize
	if e.Access == "NOACCESS" {
		return unsupported("its access is %s", e.Access)
	}
	if e.Type == "ZERO" {
		return o.add(e, zeroes{}, size)
	}
	if o.opts.Extent == nil {
		return qedfile.ErrBackingDenied
	}
	r, err := o.opts.Extent(e.Name)
	if err != nil {
		return err
	}
	f, err := layer.NewFile(r)
	if err != nil {
		return errors.Join(err, r.Close())
	}
	f.Index = len(o.files)
	o.files, o.names = append(o.files, f), append(o.names, e.Name)
	var t *grainTables
	switch e.Type {
	case "FLAT", "VMFS":
		start := e.Offset * sectorSize
		if !f.Holds(start, size) {
			return invalid("%d bytes at %d are to be in a file of %d", size, start, f.Bytes)
		}
		return o.add(e, flat{f, start}, size)
	case "SPARSE", "VMFSSPARSE":
		t, err = openSparseExtent(f, budget)
	case "SESPARSE":
		t, err = newSESparse(f, budget)
	default:
		return unsupported("extents of type %s", e.Type)
	}
	if err != nil {
		return err
	}
	if t.size != size {
		return invalid("it has %d bytes of the disk, and %d by the descriptor", t.size, size)
	}
	return o.add(e, t, size)
}

// openSparseExtent opens an extent of one of two formats.
func openSparseExtent(f *layer.File, budget int64) (*grainTables, error) {
	var magic [4]byte
	if err := f.Header(Format, "header", magic[:], 0); err != nil {
		return nil, err
	}
	if string(magic[:]) == magicCOWD {
		return newCOWD(f, budget)
	}
	h, err := readSparseHeader(f)
	if err != nil {
		return nil, err
	}
	return newSparse(f, h, budget)
}

// openParent opens the disk beneath, which must have the contents that it had
// when this one was laid over it.
func (o *opener) openParent(d *Descriptor) (qedfile.Disk, error) {
	ref := qedfile.BackingRef{Format: Format, CacheBytes: o.budget, ForceShare: o.opts.ForceShare}
	return layer.OpenParent(o.opts.Backing, []string{d.ParentName}, ref, func(disk qedfile.Disk) error {
		p, ok := disk.(interface{ CID() uint32 })
		if !ok {
			return errors.New("it is no VMDK image")
		}
		if cid := p.CID(); cid != d.ParentCID {
			return fmt.Errorf("its CID is %08x, not %08x: it was changed, or is another disk", cid, d.ParentCID)
		}
		return nil
	})
}

// A concatenation is the layer.Format of extents one after the other.
type concatenation struct{ parts []part }

func (c *concatenation) size() int64 { return c.parts[len(c.parts)-1].end }

// Run implements layer.Format.
func (c *concatenation) Run(pos, limit int64) (layer.Run, error) {
	i := sort.Search(len(c.parts), func(i int) bool { return pos < c.parts[i].end })
	p := &c.parts[i]
	return p.format.Run(pos-p.start, min(limit, p.end-pos))
}

// flat is the layer.Format of a flat extent.
type flat struct {
	file  *layer.File
	start int64
}

// Run implements layer.Format.
func (m flat) Run(pos, limit int64) (layer.Run, error) {
	return m.file.Flat(m.start+pos, limit)
}

// zeroes is the layer.Format of an extent without a file.
type zeroes struct{}

// Run implements layer.Format.
func (zeroes) Run(_, limit int64) (layer.Run, error) {
	return layer.Run{Kind: qedfile.Zero, Length: limit, Offset: -1}, nil
}

func invalid(why string, args ...any) error     { return layer.Invalid(Format, why, args...) }
func unsupported(why string, args ...any) error { return layer.Unsupported(Format, why, args...) }
func corrupt(why string, args ...any) error     { return layer.Corrupt(Format, why, args...) }
