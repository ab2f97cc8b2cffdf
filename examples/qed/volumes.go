package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/examples/qed/internal/bytesize"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

func newVolumes(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "volumes [flags] IMAGE",
		Short: "List partitions, logical volumes and what they hold",
		Long: `List what on the disk can hold a filesystem: partitions as p1, p2, ... by the
number that Linux gives them, logical volumes as vg-lv by their name in
/dev/mapper, arrays as md0 or md-NAME, and "disk" where a filesystem fills the
whole disk. These names are the top directories of the tree that ls, cat, cp and
the others work in. With --with, a volume of a further disk that would have the
name of another begins with the name of its image: data.p1.

The filesystem is named as blkid names it. One that lies on several volumes has
its files in the first of them, and the others name that one: btrfs(p1). Notes
on the partition table and the filesystems (a replayed journal, damage), and on
an image that was not closed properly, go to standard error.`,
		Args: cobra.ExactArgs(1),
	}
	a.addFileFlags(cmd)
	out := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := a.openFiles(cmd, args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		if out.json() {
			// An empty disk is an empty array, not null.
			err = printJSON(a.stdout, append([]imagefs.Volume{}, f.volumes...))
		} else {
			err = printVolumes(a.stdout, f.volumes)
		}
		if err != nil {
			return err
		}
		f.openAll()
		return f.failed()
	}
	return cmd
}

func printVolumes(w io.Writer, volumes []imagefs.Volume) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tKIND\tOFFSET\tSIZE\tFILESYSTEM\tLABEL\tUUID\tTYPE")
	for _, v := range volumes {
		offset := "-"
		if v.Offset >= 0 {
			offset = strconv.FormatInt(v.Offset, 10)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", show.Name(v.Name), v.Kind, offset, bytesize.Format(v.Size),
			orDash(filesystemOf(&v)), orDash(show.Text(v.Label)), orDash(show.Text(v.UUID)), orDash(v.Type))
	}
	return t.Flush()
}

// filesystemOf names what a volume holds, what that is encrypted with, and the
// volume that has its files.
func filesystemOf(v *imagefs.Volume) string {
	name := v.Filesystem
	if v.Encryption != nil {
		name = v.Encryption.Type + ":" + name
	}
	if v.MemberOf != "" {
		name += "(" + show.Name(v.MemberOf) + ")"
	}
	return name
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// openAll opens every filesystem, so that what is to be known of them is known.
// What is no filesystem, or none that can be read here, the list names; damage
// it does not.
func (f *files) openAll() {
	for i := range f.volumes {
		_, err := f.volumes[i].FS()
		if err != nil && !errors.Is(err, imagefs.ErrNoFilesystem) && !errors.Is(err, imagefs.ErrUnsupported) {
			f.fail(err)
		}
	}
	f.reportProblems()
}
