package main

import (
	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
)

func newAmend(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "amend [flags] -o OPTIONS IMAGE",
		Short: "Change options of an image; no format here has any",
		Long: `Change options of an image that exists. Neither QED nor raw has any that can
be changed, and of other formats no image is changed here, so that this says
no more than why. Use convert to copy into an image with other options.`,
	}
	a.addOpenFlags(cmd)
	a.addDescriptionFlags(cmd)
	o := addDiskOptions(cmd)
	cmd.Flags().Bool("force", false, "amend even where that is not safe")
	addCacheFlag(cmd, new(string))
	asked := addProgressFlag(cmd)
	quiet := cmd.Flags().BoolP("quiet", "q", false, "print nothing but errors")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(o.list) == 0 {
			return usageError(cmd, qemutext.Errorf("Must specify options (-o)"))
		}
		progress := a.newPercentage("amend", *asked && !*quiet)
		defer progress.finish()
		format := a.open.format
		if !o.help || format == "" || len(args) > 0 {
			if len(args) != 1 {
				return qemutext.Errorf("Expecting one image file name")
			}
			acc := a.source()
			acc.write = a.asQemu() && !a.isForeignName(args[0])
			d, err := a.openDiskFor(args[0], acc)
			if err != nil {
				return err
			}
			defer d.Close()
			format = d.format
		}
		if _, ok := findFormat(format); !ok {
			return qemutext.Errorf("Unknown file format '%s'", format)
		}
		return qemutext.Errorf("Format driver '%s' does not support option amendment", format)
	}
	return cmd
}
