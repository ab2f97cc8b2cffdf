package main

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/examples/qed/internal/bytesize"
)

func newResize(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resize [flags] IMAGE [+|-]SIZE",
		Short: "Make a disk larger or smaller",
		Long: `Set the size of a disk, or change it with + and -. What is gained reads as
zeroes, even where a longer backing file has other contents. Partitions and
filesystems inside are not changed.

Making it smaller loses what lies beyond, so it must be asked for by --shrink.`,
		Args: cobra.ExactArgs(2),
	}
	a.addOpenFlags(cmd)
	shrink := cmd.Flags().Bool("shrink", false, "allow the disk to become smaller")
	quiet := cmd.Flags().BoolP("quiet", "q", false, "print nothing but errors")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		d, err := a.openDiskFor(args[0], access{format: a.open.format, write: true})
		if err != nil {
			return err
		}
		defer d.Close()
		size, err := newSize(d.Size(), args[1])
		if err == nil && size < d.Size() && !*shrink {
			err = errors.New("this would lose what lies beyond the new end; --shrink allows it")
		}
		if err == nil && d.image != nil && size%512 != 0 {
			err = fmt.Errorf("a size of %d bytes is not a multiple of 512", size)
		}
		if err == nil {
			err = errors.Join(d.writable().Resize(size), d.Close())
		}
		if err != nil || *quiet {
			return fileError(args[0], err)
		}
		_, err = fmt.Fprintln(a.stdout, "Image resized.")
		return err
	}
	return cmd
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
		return 0, err
	case sign == "-" && n > old:
		return 0, fmt.Errorf("a disk of %d bytes cannot shrink by %d", old, n)
	case sign == "-":
		return old - n, nil
	case sign == "+" && n > math.MaxInt64-old:
		return 0, bytesize.ErrRange
	case sign == "+":
		return old + n, nil
	}
	return n, nil
}

// protectNegativeSize keeps the last argument of resize, as in "-1G", from
// being taken for a flag.
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
