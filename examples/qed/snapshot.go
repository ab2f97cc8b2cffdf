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
	action, name := "", ""
	flags.VarPF(&snapshotAction{"l", &action, &name}, "list", "l", "list them, as without any option").NoOptDefVal = "true"
	flags.VarP(&snapshotAction{"a", &action, &name}, "apply", "a", "go back to one: no format here can")
	flags.VarP(&snapshotAction{"c", &action, &name}, "create", "c", "make one: no format here can")
	flags.VarP(&snapshotAction{"d", &action, &name}, "delete", "d", "remove one: no format here can")
	flags.BoolP("quiet", "q", false, "print nothing but errors")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if action == mixedActions {
			return usageError(cmd, qemutext.Errorf("Cannot mix '-l', '-a', '-c', '-d'"))
		}
		acc := a.source()
		acc.write = action != "l" && !a.isForeignName(args[0])
		d, err := a.openDiskFor(args[0], acc)
		if err != nil {
			return err
		}
		defer d.Close()
		switch action {
		case "c":
			return qemutext.Errorf("Could not create snapshot '%s': -95 (Operation not supported)", name)
		case "a":
			return qemutext.Errorf("Could not apply snapshot '%s': Block driver does not support snapshots", name)
		case "d":
			return qemutext.Errorf("Could not delete snapshot '%s': snapshot not found", name)
		}
		info, err := d.info()
		if err != nil {
			return fileError(d.name, err)
		}
		printSnapshots(a.stdout, info.Snapshots)
		return nil
	}
	return cmd
}

// isForeignName reports whether a name is that of an image that is only read
// here. Others are opened for writing, as qemu-img does even to list.
func (a *app) isForeignName(name string) bool {
	format, err := a.probeName(name)
	return err == nil && isForeign(format)
}

// snapshotAction is a flag that tells what to do, with which snapshot.
type snapshotAction struct {
	letter       string
	action, name *string
}

// mixedActions is the action where several were told.
const mixedActions = "several"

func (f *snapshotAction) Type() string   { return "name" }
func (f *snapshotAction) String() string { return "" }

func (f *snapshotAction) Set(s string) error {
	if *f.action != "" {
		f.letter = mixedActions
	}
	*f.action, *f.name = f.letter, s
	return nil
}
