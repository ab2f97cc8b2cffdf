package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/examples/qed/internal/bytesize"
	"github.com/qedfs/qedfs/qedfile"
)

func newCreate(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create [flags] IMAGE [SIZE]",
		Short: "Make an empty image",
		Long: `Make an empty image of SIZE bytes (with a suffix k, M, G, T, P or E: times
1024 and so on), rounded up to 512. An old file of that name is replaced.

With -b the image begins as a copy of the backing file, in its size unless
one is given, and stores only what is changed. A relative name of the backing
file is relative to the image.`,
		Args: cobra.RangeArgs(1, 2),
	}
	a.addShareFlags(cmd)
	var format string
	addFormatFlag(cmd, &format, "format", "f", "format of the new image (default: qed)")
	o := addDiskOptions(cmd)
	backing := cmd.Flags().StringP("backing-file", "b", "", "`file` that shows through where the image stores nothing")
	var backingFmt string
	addFormatFlag(cmd, &backingFmt, "backing-format", "F", "format of the backing file")
	unsafe := cmd.Flags().BoolP("unsafe", "u", false, "do not open the backing file; needs SIZE")
	quiet := cmd.Flags().BoolP("quiet", "q", false, "print nothing but errors")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if format == "" {
			format = formatQED
		}
		if *backing != "" {
			o.backing, o.backingFmt = *backing, backingFmt
		}
		if len(args) == 2 {
			if o.size >= 0 {
				return errors.New("the size is told twice")
			}
			n, err := bytesize.Parse(args[1])
			if err != nil {
				return err
			}
			o.size = n
		}
		if err := a.completeOptions(args[0], format, o, *unsafe); err != nil {
			return fileError(args[0], err)
		}
		err := makeDisk(args[0], format, o.size, o, func(qedfile.WritableDisk) error { return nil })
		if err != nil || *quiet {
			return err
		}
		described := ""
		if format == formatQED {
			described = o.describe()
		}
		_, err = fmt.Fprintf(a.stdout, "Formatting '%s', fmt=%s size=%d%s\n", args[0], format, o.size, described)
		return err
	}
	return cmd
}

// completeOptions checks what create was told, and finds the size out if it
// was not.
func (a *app) completeOptions(name, format string, o *diskOptions, unsafe bool) error {
	switch {
	case format == formatRaw && (o.backing != "" || o.clusterSize != 0 || o.tableSize != 0):
		return errors.New("a raw disk has no backing file and no clusters")
	case o.backing == "" && o.backingFmt != "":
		return errors.New("a backing format without a backing file")
	}
	if err := o.checkBacking(); err != nil {
		return err
	}
	if o.backing != "" && !unsafe {
		// Whoever typed this name may open it, wherever it is.
		base, err := a.openDiskFor(backingFile(name, o.backing), access{format: o.backingFmt})
		if err != nil {
			return fmt.Errorf("backing file: %w", err)
		}
		defer base.Close()
		if o.size < 0 {
			o.size = base.Size()
		}
	}
	if o.size < 0 {
		return errors.New("a size is needed")
	}
	return nil
}
