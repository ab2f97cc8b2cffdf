package main

import (
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"

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
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return qemutext.Errorf("At most one filename argument is allowed.")
		case len(args) == 0 && (a.open.described || a.open.format != ""):
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
			d, err := a.openDisk(args[0])
			if err != nil {
				return err
			}
			defer d.Close()
			src = d.Disk
		}
		if err := o.forCopy(format); err != nil {
			return err
		}
		result := qedfile.Measurement{Required: src.Size(), FullyAllocated: src.Size()}
		if format == formatQED {
			var err error
			if result, err = qedfile.Measure(cmd.Context(), src, o.create()); err != nil {
				return err
			}
		}
		if out.json() {
			return printJSON(a.stdout, struct {
				Required       int64 `json:"required"`
				FullyAllocated int64 `json:"fully-allocated"`
			}{result.Required, result.FullyAllocated})
		}
		_, err := fmt.Fprintf(a.stdout, "required size: %d\nfully allocated size: %d\n", result.Required, result.FullyAllocated)
		return err
	}
	return cmd
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
