package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/qedfile"
)

func newRebase(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rebase [flags] -b BASE -F FORMAT IMAGE",
		Short: "Put another backing file beneath an image",
		Long: `Put another backing file beneath an image. What the image shows does not
change: where the new file differs from the old one, the old bytes are copied
into the image first. With -b "" the image stands alone afterwards.

-u changes only the name, for a backing file that was moved or renamed; no
backing file is opened. A relative name is relative to the image.`,
		Args: cobra.ExactArgs(1),
	}
	a.addBackingFlag(cmd)
	base := cmd.Flags().StringP("backing-file", "b", "", `the new backing `+"`file`"+`, "" for none`)
	var format string
	addFormatFlag(cmd, &format, "backing-format", "F", "format of the new backing file")
	addImageFormatFlag(cmd)
	unsafe := cmd.Flags().BoolP("unsafe", "u", false, "change the name only")
	asked := addProgressFlag(cmd)
	cmd.Flags().BoolP("quiet", "q", false, "print nothing but errors, as always")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed("backing-file") {
			return usageError(cmd, errors.New("-b is needed; -b \"\" removes the backing file"))
		}
		if *base != "" && format == "" {
			return usageError(cmd, errors.New("a backing file needs its format told, -F raw or -F qed"))
		}
		d, err := a.openDiskFor(args[0], access{format: formatQED, write: true, topOnly: *unsafe})
		if err != nil {
			return err
		}
		defer d.Close()
		if *unsafe {
			err = d.image.SetBacking(*base, &qedfile.SetBackingOptions{Raw: format == formatRaw})
		} else {
			progress := a.newProgress("rebase", *asked)
			defer progress.finish()
			err = a.rebase(cmd.Context(), d, *base, format, &qedfile.RebaseOptions{Progress: progress.set})
		}
		if err == nil {
			err = d.Close()
		}
		return fileError(args[0], err)
	}
	return cmd
}

// rebase opens the new backing file, which the user has named, wherever it is.
func (a *app) rebase(ctx context.Context, d *disk, name, format string, opts *qedfile.RebaseOptions) error {
	if name == "" {
		return qedfile.Rebase(ctx, d.image, nil, "", opts)
	}
	base, err := a.openDiskFor(backingFile(d.name, name), access{format: format})
	if err != nil {
		return fmt.Errorf("backing file: %w", err)
	}
	defer base.Close()
	opts.Raw = format == formatRaw
	return qedfile.Rebase(ctx, d.image, base.Disk, name, opts)
}
