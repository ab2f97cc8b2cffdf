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
		Long: `Copy what a disk shows, through its backing files, into a new QED image or a
raw file. Zeroes are left out: the raw file is sparse, the image stores only
clusters that hold something.

DST gets its name when it is complete; an interrupted copy leaves nothing. A
raw copy can also go to a device, which is written in place.`,
		Args: cobra.ExactArgs(2),
	}
	a.addOpenFlags(cmd)
	var format string
	addFormatFlag(cmd, &format, "output-format", "O", "format of the copy (default: raw)")
	o := addDiskOptions(cmd)
	var sparse sizeFlag = 4096
	cmd.Flags().VarP(&sparse, "sparse", "S", "leave out zeroes from so many on; 0 writes every byte that is stored")
	inPlace := cmd.Flags().BoolP("no-create", "n", false, "DST exists: write over what it shows")
	asked := addProgressFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if format == "" {
			format = formatRaw
		}
		if sparse%512 != 0 || sparse > maxSparse {
			return fmt.Errorf("-S %d: not a multiple of 512 up to %d", sparse, maxSparse)
		}
		if err := o.onlyGeometry(); err != nil {
			return err
		}
		src, err := a.openDiskFor(args[0], access{format: a.open.format, inOrder: true})
		if err != nil {
			return err
		}
		defer src.Close()
		progress := a.newProgress("convert", *asked)
		defer progress.finish()
		opts := &qedfile.ConvertOptions{SparseSize: int64(sparse), Progress: progress.set}
		if sparse == 0 {
			opts.SparseSize = -1
		}
		if *inPlace {
			return a.convertOnto(cmd.Context(), args[1], format, src, opts)
		}
		return makeDisk(args[1], format, src.Size(), o, func(dst qedfile.WritableDisk) error {
			return qedfile.Convert(cmd.Context(), dst, src.Disk, opts)
		})
	}
	return cmd
}

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
