package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/guest"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

func newInspect(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect [flags] IMAGE",
		Short: "Show the systems on the disk and what is installed",
		Long: `Say which operating systems are on the disk: type, distribution, version,
architecture, host name, time zone, init, kernels, users, what their fstab
mounts, and the installed packages (dpkg, rpm, apk and pacman); of Windows, from
its registry, the version, users, drive letters and installed programs.

Nothing is executed. A mount that cannot be made, a file that cannot be read and
a volume that may hide a system are said, and the exit code is 1. The packages
themselves are in the JSON alone.`,
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
		found, err := f.inspect()
		if err != nil {
			return err
		}
		if out.json() {
			err = printJSON(a.stdout, found)
		} else {
			err = printSystems(a.stdout, found)
		}
		if err != nil {
			return err
		}
		return f.failed()
	}
	return cmd
}

// inspect describes the systems, or the one of --os.
func (f *files) inspect() ([]*guest.Info, error) {
	systems, err := guest.Find(f.Disk)
	f.failAll(err)
	if f.a.os != "" {
		s, err := chooseSystem(f.Disk, f.a.os)
		if err != nil {
			return nil, err
		}
		systems = []*guest.System{s}
	}
	list := []*guest.Info{} // an empty disk is an empty array, not null
	for _, s := range systems {
		info, err := s.Inspect()
		f.failAll(err)
		for _, m := range info.Mounts {
			if m.Err != nil {
				f.fail(fmt.Errorf("%s: mount of %s: %w", show.Name(s.Name), show.Name(m.Point), m.Err))
			}
		}
		list = append(list, info)
	}
	return list, nil
}

// failAll reports each of the errors that were joined.
func (f *files) failAll(err error) {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		if err != nil {
			f.fail(err)
		}
		return
	}
	for _, err := range joined.Unwrap() {
		f.fail(err)
	}
}

// printSystems prints systems for people. Packages are counted: the list is for
// programs.
func printSystems(w io.Writer, list []*guest.Info) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, s := range list {
		if i > 0 {
			fmt.Fprintln(t)
		}
		for _, line := range [...]struct{ label, value string }{
			{"System", s.Name}, {"Type", string(s.Type)}, {"Product", s.Product}, {"Distribution", s.Distro},
			{"Version", s.Version}, {"Variant", s.Variant}, {"Build", s.Build}, {"Architecture", s.Arch}, {"Host name", s.Hostname}, {"Time zone", s.TimeZone},
			{"Init", s.Init}, {"Boot loader", s.BootLoader}, {"Packages", packagesLine(s)}, {"Kernels", strings.Join(s.Kernels, " ")},
			{"Initrds", strings.Join(s.Initrds, " ")},
		} {
			if line.value != "" {
				fmt.Fprintf(t, "%s:\t%s\n", line.label, show.Text(line.value))
			}
		}
		for _, u := range s.Users {
			line := fmt.Sprintf("%s (%d:%d) %s %s", show.Text(u.Name), u.UID, u.GID, show.Text(u.Home), show.Text(u.Shell))
			fmt.Fprintf(t, "User:\t%s\n", strings.TrimRight(line, " "))
		}
		for _, d := range s.Drives {
			fmt.Fprintf(t, "Drive:\t%s: %s\n", show.Text(d.Letter), cmp.Or(d.Volume, "not of this disk"))
		}
		for _, m := range s.Mounts {
			fmt.Fprintf(t, "Mount:\t%s on %s%s\n", show.Text(m.Device), show.Text(m.Point), show.Text(mountSuffix(&m)))
		}
	}
	return t.Flush()
}

func packagesLine(s *guest.Info) string {
	switch {
	case s.PackageFormat == "" && len(s.Packages) == 0:
		return ""
	case s.PackageFormat == "":
		return strconv.Itoa(len(s.Packages))
	case len(s.Packages) == 0:
		return s.PackageFormat + ", not listed"
	}
	return fmt.Sprintf("%d (%s)", len(s.Packages), s.PackageFormat)
}

// mountSuffix says what became of a mount.
func mountSuffix(m *guest.Mount) string {
	switch {
	case m.Problem != "":
		return ": failed: " + m.Problem
	case m.Note != "":
		return ": " + m.Note
	case m.Volume != "":
		return " (" + m.Volume + ")"
	}
	return ""
}
