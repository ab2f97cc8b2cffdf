package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/qedfile"
)

// maxSparse is the largest -S that qemu-img takes, in bytes.
const maxSparse = 16 << 20

func newConvert(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "convert [flags] SRC... DST",
		Short: "Copy a disk into a new image or a raw file",
		Long: `Copy what a disk shows, through its backing files, into a new image or a raw
file; several disks are put one after the other. Zeroes are left out: the raw
file is sparse, the image stores only clusters that hold something. -c
compresses the clusters of a qcow2 image, and makes a VMDK stream.

With -B the new image lies over a backing file that shows what the one of SRC
does, and only what SRC itself stores is copied.

DST gets its name when it is complete; an interrupted copy leaves nothing. A
raw copy can also go to a device, which is written in place. --salvage goes on
where SRC cannot be read, and leaves zeroes there.

For qemu-img's sake there are -W and --target-is-zero, which change nothing.`,
	}
	c := &convertCommand{app: a}
	a.addOpenFlags(cmd)
	a.addDescriptionFlags(cmd)
	addFormatFlag(cmd, &c.format, "output-format", "O", "format of the copy (default: raw)")
	c.options = addDiskOptions(cmd)
	flags := cmd.Flags()
	backing := flags.StringP("backing-file", "B", "", "the backing `file` of the copy, relative to it")
	addFormatFlag(cmd, &c.backingFmt, "backing-format", "F", "format of the backing file")
	flags.VarP((*sparseFlag)(&c.sparse), "sparse", "S", "leave out zeroes from so many on; 0 writes every byte (default: 4k)")
	flags.BoolVarP(&c.inPlace, "no-create", "n", false, "DST exists: write over what it shows")
	flags.BoolVar(&c.targetDescribed, "target-image-opts", false, "take DST for a description, as --image-opts does SRC; with -n")
	flags.BoolVar(&c.targetZero, "target-is-zero", false, "DST reads as zeroes; with -n")
	flags.VarP((*workersFlag)(&c.workers), "workers", "m", "work on so many pieces at once, 1 to 16 (default: one for each processor, 2 to 4)")
	flags.BoolP("out-of-order", "W", false, "write parts as they come, as always to a raw disk")
	flags.BoolVarP(&c.offload, "copy-offload", "C", false, "have the host copy what lies between files")
	flags.BoolVarP(&c.compress, "compress", "c", false, "compress; for qcow2 and vmdk")
	a.addSnapshotFlag(cmd)
	flags.BoolVar(&c.bitmaps, "bitmaps", false, "copy bitmaps, which neither QED nor raw has")
	flags.BoolVar(&c.skipBitmaps, "skip-broken-bitmaps", false, "leave out bitmaps that are not consistent; with --bitmaps")
	flags.BoolVar(&c.salvage, "salvage", false, "leave zeroes where SRC cannot be read, and say so")
	addRateFlag(cmd, &c.rate)
	addSourceCacheFlag(cmd)
	addCacheFlag(cmd, &c.cache)
	asked := addProgressFlag(cmd)
	quiet := flags.BoolP("quiet", "q", false, "show no progress")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c.asked = *asked && !*quiet
		c.sparseTold = flags.Changed("sparse")
		if flags.Changed("backing-file") {
			c.backing = backing
		}
		if c.options.help {
			return a.helpOptions(c.targetName(), len(args) > 0)
		}
		if err := c.prepare(len(args)); err != nil {
			return err
		}
		return c.convert(cmd.Context(), args[:len(args)-1], args[len(args)-1])
	}
	return cmd
}

// convertCommand is convert with its flags.
type convertCommand struct {
	*app
	format            string
	options           *diskOptions
	backing           *string // nil when not told
	backingFmt        string
	sparse            int64
	sparseTold        bool
	inPlace           bool
	targetDescribed   bool
	targetZero        bool
	workers           int
	offload, compress bool
	bitmaps           bool
	skipBitmaps       bool
	salvage           bool
	rate              int64
	cache             string
	asked             bool
}

func (c *convertCommand) targetName() string {
	if c.format == "" {
		return formatRaw
	}
	return c.format
}

// prepare refuses flags that do not go together.
func (c *convertCommand) prepare(args int) error {
	switch {
	case c.skipBitmaps && !c.bitmaps:
		return qemutext.Errorf("Use of --skip-broken-bitmaps requires --bitmaps")
	case c.offload && c.compress:
		return qemutext.Errorf("Cannot enable copy offloading when -c is used")
	case c.offload && c.sparseTold:
		return qemutext.Errorf("Cannot enable copy offloading when -S is used")
	case c.offload && c.salvage:
		return qemutext.Errorf("Cannot use copy offloading in salvaging mode")
	case c.targetDescribed && !c.inPlace:
		return qemutext.Errorf("--target-image-opts requires use of -n flag")
	case c.inPlace && len(c.options.list) > 0:
		return qemutext.Errorf("-o has no effect when skipping image creation")
	case c.targetZero && !c.inPlace:
		return qemutext.Errorf("--target-is-zero requires use of -n flag")
	case args < 2:
		return qemutext.Errorf("Must specify image file name")
	}
	c.options.unsynced = c.cache == cacheUnsafe
	return nil
}

// prepareTarget refuses what the copy cannot be. qemu-img opens the sources
// before.
func (c *convertCommand) prepareTarget(sources int) error {
	f, err := c.targetFormat()
	if err != nil {
		return err
	}
	if err := c.prepareOptions(f); err != nil {
		return err
	}
	o := c.options
	_, backed := o.given["backing_file"]
	switch {
	case c.compress && !f.compresses:
		return qemutext.Errorf("Compression not supported for this file format")
	case c.sparseTold && c.sparse == 0 && isForeign(c.targetName()):
		return fmt.Errorf("-S 0: zeroes are always left out of %s", qedfile.FormatTitle(c.targetName()))
	case c.bitmaps:
		return qemutext.Errorf("Source lacks bitmap support")
	case !backed:
		return nil
	case c.inPlace:
		return errors.New("a backing file is for a new QED image")
	case sources > 1:
		return qemutext.Errorf("Having a backing file for the target makes no sense when concatenating multiple input images")
	case o.backingFmt == "":
		return qemutext.Errorf("Use of backing file requires explicit backing format")
	case o.backing == "":
		return errNoBackingName
	}
	return nil
}

// targetFormat is the format of the copy, where it is to be made.
func (c *convertCommand) targetFormat() (format, error) {
	if c.inPlace {
		return format{options: qedOptions(), backed: true}, nil
	}
	f, err := targetFormat(c.targetName())
	if isForeign(f.name) { // what would be ignored is refused
		f.options = slices.DeleteFunc(f.options, func(o createOption) bool { return o.file || o.name == "size" })
	}
	return f, err
}

// prepareOptions reads what the copy is to be like.
func (c *convertCommand) prepareOptions(f format) error {
	if c.backing != nil {
		if !f.backed {
			return qemutext.Errorf("Backing file not supported for file format '%s'", f.name)
		}
		c.options.add("backing_file", *c.backing)
	}
	if c.backingFmt != "" {
		if !f.backed {
			return qemutext.Errorf("Backing file format not supported for file format '%s'", f.name)
		}
		c.options.add("backing_fmt", c.backingFmt)
	}
	return c.options.resolve(f)
}

// openSources opens the disks to copy, several as one.
func (c *convertCommand) openSources(names []string) (qedfile.Disk, error) {
	if c.asQemu() && c.open.snapshot != "" && len(names) > 1 {
		return nil, qemutext.Errorf("No support for concatenating multiple snapshot")
	}
	all := &concatDisk{}
	for _, name := range names {
		d, err := c.openState(name)
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
		all.add(d.Disk)
	}
	if len(names) == 1 {
		return all.parts[0], nil
	}
	return all, nil
}

func (c *convertCommand) convert(ctx context.Context, from []string, to string) error {
	progress := c.newPercentage("convert", c.asked)
	defer progress.finish()
	progress.begin()
	src, err := c.openSources(from)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := c.prepareTarget(len(from)); err != nil {
		return err
	}
	opts := &qedfile.ConvertOptions{SparseSize: c.sparse, Workers: c.workers}
	read := src
	if c.salvage {
		read = &salvageDisk{Disk: read, w: c.stderr, prefix: c.program.name}
	}
	switch {
	case c.sparseTold && c.sparse == 0 || c.options.preallocation == "full":
		opts.SparseSize, opts.CopyAll = 0, true
		read = opaque{read}
	case c.offload:
		opts.SparseSize, opts.CopyAll = 0, true
	}
	opts.SameBacking = c.options.backing != ""
	set, stop := progress.ofData(read, opts.SameBacking)
	defer stop()
	opts.Progress = limitRate(ctx, c.rate, set)
	if err := c.copyTo(ctx, to, read, opts); err != nil {
		return err
	}
	progress.complete()
	return nil
}

// copyTo copies a disk to the one that is named.
func (c *convertCommand) copyTo(ctx context.Context, to string, src qedfile.Disk, opts *qedfile.ConvertOptions) error {
	if c.inPlace {
		return c.convertOnto(ctx, to, src, opts)
	}
	if name := c.targetName(); isForeign(name) {
		return c.convertForeign(ctx, to, src, opts)
	}
	if opts.SameBacking {
		c.options.chain = func(qedfile.BackingRef) (qedfile.Disk, error) {
			path := backingPath(to, c.options.backing)
			if err := knownFormat(c.options.backingFmt); err != nil {
				return nil, qemutext.Errorf("Parameter 'backing-fmt' does not accept value '%s'", c.options.backingFmt)
			}
			base, err := c.openDiskFor(path, access{format: c.options.backingFmt})
			if err != nil {
				return nil, &openError{name: to, err: &backingError{path, errors.Unwrap(err)}}
			}
			return base.Disk, nil
		}
	}
	if c.asQemu() && strings.HasPrefix(to, "json:") {
		return qemutext.Errorf("Unknown protocol 'json'")
	}
	spec, err := c.describe(to, false)
	if err != nil {
		return fileError(to, err)
	}
	c.options.warn = c.warn
	size := src.Size()
	if c.options.size >= 0 && !c.asQemu() { // qemu-img takes no notice of it
		if size = c.options.size; size < src.Size() {
			return fmt.Errorf("%s: a size of %d bytes is less than the source's %d", to, size, src.Size())
		}
	}
	err = makeDisk(spec.Path, c.targetName(), size, c.options, func(dst qedfile.WritableDisk) error {
		return qedfile.Convert(ctx, dst, src, opts)
	})
	return c.describeFailure(to, err)
}

// convertForeign copies to a new image of a format that is neither QED nor raw.
func (c *convertCommand) convertForeign(ctx context.Context, to string, src qedfile.Disk, opts *qedfile.ConvertOptions) error {
	copy := &foreignCopy{format: c.targetName(), options: c.options, compress: c.compress, workers: opts.Workers, progress: opts.Progress}
	if o := c.options; o.backing != "" {
		path := backingPath(to, o.backing)
		base, err := c.openDiskFor(path, access{format: o.backingFmt})
		if err != nil {
			return &openError{name: to, err: &backingError{path, errors.Unwrap(err)}}
		}
		defer base.Close()
		copy.backing = base.Disk
	}
	spec, err := c.describe(to, false)
	if err != nil {
		return fileError(to, err)
	}
	return c.describeFailure(to, copy.write(ctx, spec.Path, src))
}

// describeFailure has qemu's words for why there is no copy.
func (c *convertCommand) describeFailure(to string, err error) error {
	var text *qemutext.Error
	if errors.As(err, &text) {
		return about(to, qemutext.Errorf("error while converting %s: %s", c.targetName(), text))
	}
	return err
}

// An opaque disk does not tell which parts of it are zeroes, so that they are
// copied as data.
type opaque struct{ qedfile.Disk }

// convertOnto copies onto a disk that exists.
func (c *convertCommand) convertOnto(ctx context.Context, name string, src qedfile.Disk, opts *qedfile.ConvertOptions) error {
	acc := access{format: c.format, write: true, described: c.targetDescribed, unsynced: c.options.unsynced}
	if acc.format == "" && !acc.described {
		acc.format = formatRaw
	}
	dst, err := c.openDiskFor(name, acc)
	if err != nil {
		return err
	}
	if dst.Size() < src.Size() {
		err = qemutext.Errorf("output file is smaller than input file")
	} else {
		err = qedfile.Convert(ctx, dst.writable(), src, opts)
	}
	if err == nil {
		err = dst.writable().Sync()
	}
	if closeErr := dst.Close(); err == nil {
		err = fileError(name, closeErr)
	}
	return err
}

// sparseFlag is -S.
type sparseFlag int64

func (f *sparseFlag) String() string { return "" }
func (f *sparseFlag) Type() string   { return "size" }
func (f *sparseFlag) Set(s string) error {
	n, err := parseSize(s, "buffer size for sparse output")
	if err != nil {
		return err
	}
	if n%512 != 0 || n > maxSparse {
		return qemutext.Errorf("Invalid buffer size for sparse output specified. Valid sizes are multiples of 512 up to %d. Select 0 to disable sparse detection (fully allocates output).", maxSparse)
	}
	*f = sparseFlag(n)
	return nil
}

// workersFlag is -m.
type workersFlag int

func (f *workersFlag) String() string { return "" }
func (f *workersFlag) Type() string   { return "int" }
func (f *workersFlag) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 16 {
		return qemutext.Errorf("Invalid number of coroutines. Allowed number of coroutines is between 1 and 16")
	}
	*f = workersFlag(n)
	return nil
}
