package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

func newDf(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "df [flags] IMAGE",
		Short: "Show how full the filesystems inside the image are",
		Long: `Show the size of each filesystem, and how much of it is used, as virt-df and
df do: in units of 1024 bytes, with -h for people, with -i inodes. What a
filesystem keeps for root counts as available.

--output json prints bytes, and inodes where the filesystem counts them.`,
		Args: cobra.ExactArgs(1),
	}
	a.addFileFlags(cmd)
	out := addOutputFlag(cmd)
	human := addHumanFlag(cmd)
	inodes := cmd.Flags().BoolP("inodes", "i", false, "show inodes in place of bytes")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := a.openFiles(cmd, args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		if f.reportVolumes() == 0 {
			f.requireFiles(".")
		}
		usages := f.usages()
		switch {
		case out.json():
			err = printJSON(a.stdout, usages)
		case *inodes:
			err = printInodes(a.stdout, usages)
		default:
			err = printUsages(a.stdout, usages, sizeFormat(*human))
		}
		if err != nil {
			return err
		}
		return f.failed()
	}
	return cmd
}

// addHumanFlag gives a subcommand the -h of df and du. Help keeps its long
// name.
func addHumanFlag(cmd *cobra.Command) *bool {
	cmd.Flags().Bool("help", false, "help for "+cmd.Name())
	return cmd.Flags().BoolP("human-readable", "h", false, "print sizes in powers of 1024 (e.g. 23M)")
}

// usage is how full one filesystem is, in bytes and inodes.
type usage struct {
	Volume     string `json:"volume"`
	Filesystem string `json:"filesystem"`
	Size       int64  `json:"size"`
	Used       int64  `json:"used"`
	Free       int64  `json:"free"`
	Inodes     uint64 `json:"inodes,omitempty"`
	FreeInodes uint64 `json:"inodes-free,omitempty"`
}

// usages asks all the filesystems that can be read.
func (f *files) usages() []usage {
	list := []usage{}
	for i := range f.volumes {
		v := &f.volumes[i]
		fsys, err := v.FS()
		if err != nil {
			continue
		}
		info := fsys.Info()
		if info.FreeErr != nil {
			f.fail(fmt.Errorf("%s: free space unknown: %w", show.Name(v.Name), info.FreeErr))
		}
		list = append(list, newUsage(v.Name, info))
	}
	return list
}

// newUsage does not trust the numbers of a damaged filesystem to fit together.
func newUsage(volume string, info fstree.Info) usage {
	u := usage{Volume: volume, Filesystem: info.Type, Size: max(info.Size, 0)}
	u.Free = min(max(info.Free, 0), u.Size)
	u.Used = u.Size - u.Free
	u.Inodes, u.FreeInodes = info.Files, min(info.FreeFiles, info.Files)
	return u
}

func printUsages(w io.Writer, usages []usage, format func(int64) string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := "1K-blocks"
	if format(1<<20) != "1024" {
		head = "Size"
	}
	fmt.Fprintf(t, "Volume\tFilesystem\t%s\tUsed\tAvailable\tUse%%\t\n", head)
	for _, u := range usages {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t\n", show.Name(u.Volume), u.Filesystem,
			format(u.Size), format(u.Used), format(u.Free), percent(uint64(u.Used), uint64(u.Size)))
	}
	return t.Flush()
}

func printInodes(w io.Writer, usages []usage) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "Volume\tFilesystem\tInodes\tIUsed\tIFree\tIUse%\t")
	for _, u := range usages {
		used := u.Inodes - u.FreeInodes
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%s\t\n", show.Name(u.Volume), u.Filesystem,
			u.Inodes, used, u.FreeInodes, percent(used, u.Inodes))
	}
	return t.Flush()
}

// percent rounds up, as df does: what is not quite full is not empty.
func percent(part, whole uint64) string {
	if whole == 0 {
		return "-"
	}
	p := float64(part) * 100 / float64(whole)
	n := int64(p)
	if float64(n) < p {
		n++
	}
	return fmt.Sprintf("%d%%", n)
}

// sizeFormat prints a size as df and du do, rounded up.
func sizeFormat(human bool) func(int64) string {
	if human {
		return humanSize
	}
	return func(n int64) string { return fmt.Sprint((n + 1023) / 1024) }
}

// humanSize prints a size with a suffix, and one digit after the point below
// ten.
func humanSize(n int64) string {
	if n < 1024 {
		return fmt.Sprint(n)
	}
	unit, suffixes := int64(1024), "KMGTPE"
	for n/unit >= 1024 && len(suffixes) > 1 {
		unit, suffixes = unit*1024, suffixes[1:]
	}
	// In tenths, rounded up, without leaving 64 bits.
	tenths := n/unit*10 + (n%unit*10+unit-1)/unit
	switch {
	case tenths <= 99:
		return fmt.Sprintf("%d.%d%c", tenths/10, tenths%10, suffixes[0])
	case (tenths+9)/10 >= 1024 && len(suffixes) > 1:
		return fmt.Sprintf("1.0%c", suffixes[1])
	}
	return fmt.Sprintf("%d%c", (tenths+9)/10, suffixes[0])
}
