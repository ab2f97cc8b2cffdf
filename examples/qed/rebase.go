package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/qedfile"
)

func newRebase(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rebase [flags] -b BASE -F FORMAT IMAGE",
		Short: "Change the backing file of an image",
		Long: `Change the backing file of an image. What the image shows does not
change: where the new file differs from the old one, the old bytes are copied
into the image first. With -b "" the image stands alone afterwards.

The format of the new file must be told. -u changes only the name, for a backing
file that was moved or renamed; no backing file is opened. A relative name is
relative to the image.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := oneImage()(cmd, args); err != nil {
				return err
			}
			if !cmd.Flags().Changed("unsafe") && !cmd.Flags().Changed("backing-file") {
				return qemutext.Errorf("Must specify backing file (-b) or use unsafe mode (-u)")
			}
			return nil
		},
	}
	a.addShareFlags(cmd)
	a.addDescriptionFlags(cmd)
	addFormatFlag(cmd, &a.open.format, "format", "f", "format of the image")
	base := cmd.Flags().StringP("backing-file", "b", "", `the new backing `+"`file`"+`, "" for none`)
	var format string
	addFormatFlag(cmd, &format, "backing-format", "F", "format of the new backing file")
	unsafe := cmd.Flags().BoolP("unsafe", "u", false, "change the name only")
	var cache string
	addCacheFlag(cmd, &cache)
	addSourceCacheFlag(cmd)
	asked := addProgressFlag(cmd)
	quiet := cmd.Flags().BoolP("quiet", "q", false, "show no progress")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		progress := a.newPercentage("rebase", *asked && !*quiet)
		defer progress.finish()
		progress.begin()
		if _, ok := findFormat(format); !ok && format != "" {
			return qemutext.Errorf("Invalid format name: '%s'", format)
		}
		// qemu-img shares the new backing file alone, and never the image.
		share := a.open.forceShare
		a.open.forceShare = share && !a.asQemu()
		acc := a.source()
		acc.write, acc.topOnly, acc.unsynced = true, *unsafe, cache == cacheUnsafe
		d, err := a.openDiskFor(args[0], acc)
		if err != nil {
			return err
		}
		defer d.Close()
		switch {
		case d.image == nil:
			return cannotRebase(*base, "Operation not supported")
		case (*unsafe || !a.asQemu()) && *base != "" && format == "":
			return cannotRebase(*base, errNoBackingFormat)
		case *unsafe:
			err = d.image.SetBacking(*base, &qedfile.SetBackingOptions{Raw: format == formatRaw})
		default:
			a.open.forceShare = share
			err = a.rebase(cmd.Context(), d, *base, format, &qedfile.RebaseOptions{Progress: progress.set})
		}
		if err != nil {
			return err
		}
		progress.set(1, 1)
		a.warnOfBacking(d.name, *base)
		return fileError(args[0], d.Close())
	}
	return cmd
}

// errNoBackingFormat is what qemu says where -F is missing.
const errNoBackingFormat = "backing format must be specified"

// cannotRebase is what qemu says of a backing file that an image cannot have.
func cannotRebase(base, why string) error {
	return qemutext.Errorf("Could not change the backing file to '%s': %s", base, why)
}

// rebase opens the new backing file, which the user has named, wherever it is.
func (a *app) rebase(ctx context.Context, d *disk, name, format string, opts *qedfile.RebaseOptions) error {
	if name == "" {
		return qedfile.Rebase(ctx, d.image, nil, "", opts)
	}
	base, err := a.openDiskFor(backingPath(d.name, name), access{format: format})
	if err != nil {
		var open *openError
		if errors.As(err, &open) {
			return qemutext.Errorf("Could not open new backing file '%s': %s", name, a.reason(open, true))
		}
		return err
	}
	defer base.Close()
	if format == "" {
		return cannotRebase(name, errNoBackingFormat)
	}
	opts.Raw = format == formatRaw
	return qedfile.Rebase(ctx, d.image, base.Disk, name, opts)
}
