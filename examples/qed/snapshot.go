package main

import (
	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
)

// newSnapshot is there in the place of qemu-img alone: neither QED nor raw has
// internal snapshots, and qcow2 images, which have, are only read.
func newSnapshot(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot [flags] IMAGE",
		Short: "List the internal snapshots of an image",
		Args:  oneImage(),
	}
	a.addOpenFlags(cmd)
	a.addDescriptionFlags(cmd)
	flags := cmd.Flags()
	flags.BoolP("list", "l", false, "list them, as without any option")
	apply := flags.StringP("apply", "a", "", "go back to one: no format here can")
	create := flags.StringP("create", "c", "", "make one: no format here can")
	remove := flags.StringP("delete", "d", "", "remove one: no format here can")
	cmd.MarkFlagsMutuallyExclusive("list", "apply", "create", "delete")
	flags.BoolP("quiet", "q", false, "print nothing but errors")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		info, err := a.topInfo(args[0])
		if err != nil {
			return err
		}
		switch {
		case *create != "":
			return qemutext.Errorf("Could not create snapshot '%s': -95 (Operation not supported)", *create)
		case *apply != "":
			return qemutext.Errorf("Could not apply snapshot '%s': Block driver does not support snapshots", *apply)
		case *remove != "":
			return qemutext.Errorf("Could not delete snapshot '%s': snapshot not found", *remove)
		}
		printSnapshots(a.stdout, info.Snapshots)
		return nil
	}
	return cmd
}
