package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
)

// addSnapshotFlag gives a subcommand qemu-img's -l, which is --snapshot of the
// others.
func (a *app) addSnapshotFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.open.snapshot, "load-snapshot", "l", "", "read this internal snapshot, by `name` or as snapshot.id=ID, snapshot.name=NAME")
}

// snapshotName is the name or the ID of a snapshot as qemu's options have it.
func snapshotName(s string) string {
	if kind, rest, ok := strings.Cut(s, "="); ok && (kind == "snapshot.id" || kind == "snapshot.name") {
		return rest
	}
	return s
}

// openState opens a disk as it is, or as a snapshot keeps it.
func (a *app) openState(name string) (*disk, error) {
	a.open.snapshot = snapshotName(a.open.snapshot)
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
