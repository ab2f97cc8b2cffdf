package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/examples/qed/internal/optlist"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
)

// addSnapshotFlag gives a subcommand qemu-img's -l, which is --snapshot of the
// others.
func (a *app) addSnapshotFlag(cmd *cobra.Command) {
	cmd.Flags().VarP((*snapshotFlag)(&a.open.snapshot), "load-snapshot", "l", "read this internal snapshot, by `name` or as snapshot.id=ID, snapshot.name=NAME")
}

// snapshotFlag is -l: a name or an ID, or which of them it is and that.
type snapshotFlag string

func (f *snapshotFlag) Type() string   { return "name" }
func (f *snapshotFlag) String() string { return string(*f) }

func (f *snapshotFlag) Set(s string) error {
	if !strings.HasPrefix(s, "snapshot.") {
		*f = snapshotFlag(s)
		return nil
	}
	for _, o := range optlist.ParseLoose(s) {
		if o.Name != "snapshot.id" && o.Name != "snapshot.name" {
			return &runError{&qemutext.Error{Lines: []string{
				"Invalid parameter '" + o.Name + "'",
				"Failed in parsing snapshot param '" + s + "'",
			}}}
		}
		*f = snapshotFlag(o.Value)
	}
	return nil
}

// openState opens a disk as it is, or as a snapshot keeps it.
func (a *app) openState(name string) (*disk, error) {
	d, err := a.openDisk(name)
	var none *noSnapshotsError
	switch {
	case !a.asQemu():
	case errors.As(err, &none):
		return nil, qemutext.Errorf("Failed to load snapshot: Block format '%s' used by device '' does not support temporarily loading internal snapshots", none.format)
	case errors.Is(err, layer.ErrNoSnapshot):
		return nil, qemutext.Errorf("Failed to load snapshot: Can't find snapshot")
	}
	return d, err
}

// noSnapshotsError refuses to look for a snapshot in an image whose format has
// none.
type noSnapshotsError struct{ format string }

func (e *noSnapshotsError) Error() string {
	return "images of the format " + e.format + " have no internal snapshots"
}
