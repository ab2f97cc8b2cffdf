package main

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/qedfile"
)

func newMeasure(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "measure [flags] [IMAGE]",
		Short: "Compute how large a copy of a disk would be",
		Long: `Tell how many bytes the file of a copy needs: now, and once every byte of
the disk has been written. Instead of an image a size can be given.`,
	}
	a.addOpenFlags(cmd)
	a.addDescriptionFlags(cmd)
	out := addOutputFlag(cmd)
	var format string
	addFormatFlag(cmd, &format, "output-format", "O", "format of the copy (default: raw)")
	o := addDiskOptions(cmd)
	size := int64(-1)
	addSizeFlag(cmd, &size, "size", "", "image size", "measure for an empty disk of this size")
	a.addSnapshotFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return qemutext.Errorf("At most one filename argument is allowed.")
		case len(args) == 0 && (a.open.described || a.open.format != "" || a.open.snapshot != ""):
			return qemutext.Errorf("--image-opts, -f, and -l require a filename argument.")
		case len(args) == 1 && size >= 0:
			return qemutext.Errorf("--size N cannot be used together with a filename.")
		case len(args) == 0 && size < 0:
			return qemutext.Errorf("Either --size N or one filename must be specified.")
		}
		if format == "" {
			format = formatRaw
		}
		var src qedfile.Disk = emptyDisk(roundUp(size))
		if len(args) == 1 {
			d, err := a.openState(args[0])
			if err != nil {
				return err
			}
			defer d.Close()
			src = d.Disk
		}
		if err := o.forCopy(format); err != nil {
			return err
		}
		result, err := measureCopy(cmd.Context(), format, src, o)
		if err != nil {
			return err
		}
		if out.json() {
			return printJSON(a.stdout, result)
		}
		_, err = fmt.Fprintf(a.stdout, "required size: %d\nfully allocated size: %d\n", result["required"], result["fully-allocated"])
		if bitmaps, ok := result["bitmaps"]; ok && err == nil {
			_, err = fmt.Fprintf(a.stdout, "bitmaps size: %d\n", bitmaps)
		}
		return err
	}
	return cmd
}

// measureCopy is what measure prints, by its keys.
func measureCopy(ctx context.Context, format string, src qedfile.Disk, o *diskOptions) (qemutext.Dict, error) {
	switch format {
	case formatQED:
		m, err := qedfile.Measure(ctx, src, o.create())
		return qemutext.Dict{"required": m.Required, "fully-allocated": m.FullyAllocated}, err
	case formatQcow2:
		m, err := images.Measure(ctx, format, src, &images.WriteOptions{Values: o.foreign, BackingFile: o.backing, BackingFormat: o.backingFmt})
		if err != nil {
			return nil, err
		}
		result := qemutext.Dict{"required": m.Required, "fully-allocated": m.FullyAllocated}
		if m.HasBitmaps {
			result["bitmaps"] = m.Bitmaps
		}
		return result, nil
	}
	return qemutext.Dict{"required": src.Size(), "fully-allocated": src.Size()}, nil
}

// emptyDisk is a disk of so many bytes with nothing on it.
type emptyDisk int64

func (d emptyDisk) Size() int64  { return int64(d) }
func (d emptyDisk) Close() error { return nil }

func (d emptyDisk) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), max(0, int64(d)-off)))
	clear(p[:n])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Extents implements [qedfile.Mapper].
func (d emptyDisk) Extents(off, n int64) iter.Seq2[qedfile.Extent, error] {
	return func(yield func(qedfile.Extent, error) bool) {
		if n = min(n, int64(d)-off); n > 0 {
			yield(qedfile.Extent{Start: off, Length: n, Kind: qedfile.Unallocated, Offset: -1}, nil)
		}
	}
}
