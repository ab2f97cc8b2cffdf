package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/qedfile"
)

// maxSparse is the largest -S that qemu-img takes, in bytes.
const maxSparse = 1<<31 - 512

func newConvert(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "convert [flags] SRC DST",
		Short: "Copy a disk into a new image or a raw file",
		Long: `Copy what a disk shows, through its backing files, into a new image or a raw
file. Zeroes are left out: the raw file is sparse, the image stores only
clusters that hold something. -c compresses the clusters of a qcow2 image.

With -B the new image lies over a backing file that shows what the one of SRC
does, and only what SRC itself stores is copied.

DST gets its name when it is complete; an interrupted copy leaves nothing. A
raw copy can also go to a device, which is written in place.`,
		Args: cobra.ExactArgs(2),
	}
	c := &convertCommand{app: a, sparse: 4096}
	a.addOpenFlags(cmd)
	addChoice(cmd, &c.format, "output-format", "O", "", "format of the copy (default: raw)", writtenFormats()...)
	c.options = addDiskOptions(cmd)
	flags := cmd.Flags()
	backing := flags.StringP("backing-file", "B", "", "the backing `file` of the copy, relative to it")
	var backingFmt string
	addReadFormatFlag(cmd, &backingFmt, "backing-format", "F", "format of the backing file")
	flags.BoolVarP(&c.compress, "compress", "c", false, "compress; for qcow2")
	flags.VarP(&c.sparse, "sparse", "S", "leave out zeroes from so many on; 0 writes every byte")
	flags.BoolVarP(&c.inPlace, "no-create", "n", false, "DST exists: write over what it shows")
	flags.IntVarP(&c.workers, "workers", "m", 0, "work on so many pieces at once, 1 to 16 (default: one for each processor, 2 to 4)")
	c.progress = addProgressFlag(cmd)
	flags.BoolP("quiet", "q", false, "print nothing but errors, as always")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *backing != "" {
			c.options.backing, c.options.backingFmt = *backing, backingFmt
		}
		if c.format == "" {
			c.format = formatRaw
		}
		if flags.Changed("workers") && (c.workers < 1 || c.workers > 16) {
			return fmt.Errorf("-m %d: not a number from 1 to 16", c.workers)
		}
		if err := c.validate(); err != nil {
			return err
		}
		return c.convert(cmd.Context(), args[0], args[1])
	}
	return cmd
}

// convertCommand is convert with its flags.
type convertCommand struct {
	*app
	format   string
	options  *diskOptions
	sparse   sizeFlag
	inPlace  bool
	workers  int
	compress bool
	progress *bool
}

// validate refuses flags that do not go together.
func (c *convertCommand) validate() error {
	o := c.options
	switch {
	case c.sparse%512 != 0 || c.sparse > maxSparse:
		return fmt.Errorf("-S %d: not a multiple of 512 up to %d", c.sparse, maxSparse)
	case o.size >= 0:
		return errors.New("-o: the size is that of the source")
	case c.compress && !isForeign(c.format):
		return fmt.Errorf("-c: nothing is compressed in %s", qedfile.FormatTitle(c.format))
	case c.sparse == 0 && isForeign(c.format):
		return fmt.Errorf("-S 0: zeroes are always left out of %s", qedfile.FormatTitle(c.format))
	case o.backing == "":
		return nil
	case c.format == formatRaw || c.inPlace:
		return errors.New("a backing file is for a new QED image")
	case isForeign(c.format) && o.backingFmt == "":
		return errors.New("a backing file needs its format told, by -F")
	case isForeign(c.format):
		return nil
	}
	return o.checkBacking()
}

func (c *convertCommand) convert(ctx context.Context, from, to string) error {
	src, err := c.openDisk(from)
	if err != nil {
		return err
	}
	defer src.Close()
	progress := c.newProgress("convert", *c.progress)
	defer progress.finish()
	opts := &qedfile.ConvertOptions{SparseSize: int64(c.sparse), Workers: c.workers, Progress: progress.set}
	if c.sparse == 0 {
		opts.SparseSize, opts.CopyAll = 0, true
		src.Disk = opaque{src.Disk}
	}
	if c.inPlace {
		return c.convertOnto(ctx, to, c.format, src, opts)
	}
	if isForeign(c.format) {
		if c.options.backing != "" {
			base, err := c.openDiskFor(backingFile(to, c.options.backing), access{format: c.options.backingFmt})
			if err != nil {
				return err
			}
			defer base.Close()
		}
		copy := &foreignCopy{c.format, c.options, c.compress, c.workers, progress.set}
		return copy.write(ctx, to, src.Disk)
	}
	if c.options.backing != "" {
		opts.SameBacking = true
		c.options.chain = func(qedfile.BackingRef) (qedfile.Disk, error) {
			base, err := c.openDiskFor(backingFile(to, c.options.backing), access{format: c.options.backingFmt})
			if err != nil {
				return nil, err
			}
			return base.Disk, nil
		}
	}
	return makeDisk(to, c.format, src.Size(), c.options, func(dst qedfile.WritableDisk) error {
		return qedfile.Convert(ctx, dst, src.Disk, opts)
	})
}

// An opaque disk does not tell which parts of it are zeroes, so that they are
// copied as data.
type opaque struct{ qedfile.Disk }

// convertOnto copies onto a disk that exists.
func (a *app) convertOnto(ctx context.Context, name, format string, src *disk, opts *qedfile.ConvertOptions) error {
	dst, err := a.openDiskFor(name, access{format: format, write: true})
	if err != nil {
		return err
	}
	if dst.Size() < src.Size() {
		err = fmt.Errorf("%s: %d bytes, smaller than the source with %d", name, dst.Size(), src.Size())
	} else {
		err = qedfile.Convert(ctx, dst.writable(), src.Disk, opts)
	}
	return errors.Join(err, fileError(name, dst.Close()))
}
