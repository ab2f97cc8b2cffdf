package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/examples/qed/internal/bytesize"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
)

func newResize(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resize [flags] IMAGE [+|-]SIZE",
		Short: "Make a disk larger or smaller",
		Long: `Set the size of a disk, or change it with + and -. What is gained reads as
zeroes, even where a longer backing file has other contents. Partitions and
filesystems inside are not changed.

Making it smaller loses what lies beyond, so it must be asked for by --shrink.`,
		Args: resizeArgs,
	}
	a.addOpenFlags(cmd)
	a.addDescriptionFlags(cmd)
	shrink := cmd.Flags().Bool("shrink", false, "allow the disk to become smaller")
	quiet := cmd.Flags().BoolP("quiet", "q", false, "print nothing but errors")
	prealloc := new(string)
	addChoice(cmd, prealloc, "preallocation", "", "off", "how the space that a raw disk gains is allocated", "off", "falloc", "full", "metadata").otherwise = "Invalid preallocation mode '%s'"
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, err := newSize(0, strings.TrimPrefix(args[1], "-")); err != nil {
			return err
		}
		acc := a.source()
		acc.write = true
		d, err := a.openDiskFor(args[0], acc)
		if err != nil {
			return err
		}
		defer d.Close()
		if err := d.resize(args[1], *shrink, *prealloc); err != nil {
			return err
		}
		if err := d.Close(); err != nil || *quiet {
			return fileError(args[0], err)
		}
		_, err = fmt.Fprintln(a.stdout, "Image resized.")
		return err
	}
	return cmd
}

// resize gives a disk the size that is asked for.
func (d *disk) resize(arg string, shrink bool, prealloc string) error {
	old := d.Size()
	size, err := newSize(old, arg)
	switch {
	case err != nil:
		return err
	case size <= 0:
		return qemutext.Errorf("New image size must be positive")
	case size <= old && prealloc != "off":
		return qemutext.Errorf("Preallocation can only be used for growing images")
	case size < old && !shrink:
		return &qemutext.Error{Lines: []string{
			"Use the --shrink option to perform a shrink operation.",
			"warning: Shrinking an image will delete all data beyond the shrunken image's end. Before performing such an operation, make sure there is no important data there.",
		}}
	case prealloc == "metadata" && d.image == nil:
		return qemutext.Errorf("Unsupported preallocation mode: metadata")
	case prealloc != "off" && d.image != nil:
		return qemutext.Errorf("Unsupported preallocation mode '%s'", prealloc)
	case d.image != nil && (size%512 != 0 || size > d.image.Header().MaxImageSize()):
		return qemutext.Errorf("Invalid image size specified")
	}
	err = d.writable().Resize(size)
	var text *qemutext.Error
	if errors.As(err, &text) {
		return text
	}
	switch {
	case err == nil && prealloc == "off" && old == 0 && d.raw != nil:
		err = writeFirstBlock(d.raw)
	case err == nil && prealloc != "off":
		err = preallocate(d.raw, old, prealloc)
	}
	return fileError(d.name, err)
}

func resizeArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args)+cmd.Flags().NFlag() < 2:
		return qemutext.Errorf("Not enough arguments")
	case len(args) != 2:
		return qemutext.Errorf("Expecting image file name and size")
	}
	return nil
}

// newSize is the size that is asked for: absolute, or relative with a sign.
func newSize(old int64, arg string) (int64, error) {
	sign := arg[:min(1, len(arg))]
	digits := arg
	if sign == "+" || sign == "-" {
		digits = arg[1:]
	}
	n, err := bytesize.Parse(digits)
	switch {
	case err != nil:
		return 0, qemutext.BadNumber("size")
	case sign == "-":
		return old - n, nil
	case sign == "+" && n > math.MaxInt64-old:
		return 0, qemutext.BadNumber("size")
	case sign == "+":
		return old + n, nil
	}
	return n, nil
}

// protectNegativeSize keeps the last argument of resize, as in "-1G", from
// being parsed as a flag.
func protectNegativeSize(args []string) []string {
	last := len(args) - 1
	if last < 2 || args[0] != "resize" || slices.Contains(args, "--") {
		return args
	}
	if a := args[last]; len(a) > 1 && a[0] == '-' && '0' <= a[1] && a[1] <= '9' {
		return slices.Insert(slices.Clone(args), last, "--")
	}
	return args
}
