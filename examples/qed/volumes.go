package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/examples/qed/internal/bytesize"
	"github.com/qedfs/qedfs/qedfile"
)

func newVolumes(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "volumes [flags] IMAGE",
		Short: "List partitions, logical volumes and what they hold",
		Long: `List what on the disk can hold a filesystem: partitions as p1, p2, ... by the
number that Linux gives them, logical volumes as vg-lv by their name in
/dev/mapper, and "disk" where a filesystem fills the whole disk. These names
are the top directories of the tree that ls, cat, cp and the others work in.

The filesystem is named as blkid names it. What is worth knowing of the
partition table and of the filesystems (a journal that had to be replayed,
damage), and that the image was not closed properly, is said on standard error.`,
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
		return f.noteVolumes()
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
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", showName(v.Name), v.Kind, offset, bytesize.Format(v.Size),
			orDash(v.Filesystem), orDash(showName(v.Label)), orDash(v.UUID), orDash(v.Type))
	}
	return t.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// noteVolumes says what a user should know of the disk and its filesystems.
func (f *files) noteVolumes() error {
	if m, ok := f.disk.(*qedfile.Image); ok && m.Header().NeedCheck() {
		f.note(errors.New("the image was not closed properly; 'qed check' looks whether it is sound"))
	}
	if err := f.noteForeign(); err != nil {
		return err
	}
	notes, err := f.Notes()
	if err != nil {
		return err
	}
	for _, n := range notes {
		f.note(errors.New(n))
	}
	for i := range f.volumes {
		v := &f.volumes[i]
		fsys, err := v.FS()
		switch {
		case err == nil:
			for _, n := range fsys.Info().Notes {
				f.note(fmt.Errorf("%s: %s", v.Name, n))
			}
		case !errors.Is(err, imagefs.ErrNoFilesystem) && !errors.Is(err, imagefs.ErrUnsupported):
			f.fail(err)
		}
	}
	return f.failed()
}

// noteForeign says so where what is read as a raw disk looks like an image or
// an archive: its bytes are not those of a disk.
func (f *files) noteForeign() error {
	if _, ok := f.disk.(*qedfile.Raw); !ok {
		return nil
	}
	section, err := backend.NewSection(f.disk, 0, f.disk.Size())
	if err != nil {
		return err
	}
	format, err := qedfile.Probe(section)
	if err != nil || format == formatRaw {
		return err
	}
	f.note(fmt.Errorf("read as a raw disk, but it looks like %s", qedfile.FormatTitle(format)))
	return nil
}
