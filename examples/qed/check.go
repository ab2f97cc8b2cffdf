package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
	"github.com/qedfs/qedfs/qedfile"
)

// Exit codes of check, those of qemu-img.
const (
	exitCorrupt = 2
	exitLeaks   = 3
	exitNoCheck = 63 // the format has nothing to check
)

func newCheck(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [flags] IMAGE",
		Short: "Check the image's tables, and repair them",
		Long: `Check that every table entry is valid and that no two share a cluster, and
count the clusters that nothing refers to (leaks). Only the image itself is
looked at; its backing file need not be there. qcow2, VMDK, VDI and VHDX
images are checked, but not repaired; there is nothing to check in VHD ones.

-r repairs: "leaks" gives unused space back, "all" also clears invalid entries
and gives clusters that are referred to twice a copy for each. With
--dry-run it tells what it would do.

Exit codes: 0 sound, 1 could not check, 2 corruptions, 3 leaks only.`,
		Args: oneImage(),
	}
	c := &checkCommand{app: a}
	a.addOpenFlags(cmd)
	a.addDescriptionFlags(cmd)
	addSourceCacheFlag(cmd)
	c.output = addOutputFlag(cmd)
	c.progress = addProgressFlag(cmd)
	repair := addChoice(cmd, &c.repair, "repair", "r", "", "repair the image", "leaks", "all")
	repair.otherwise = "Unknown option value for -r (expecting 'leaks' or 'all'): %s"
	repair.usage = true
	flags := cmd.Flags()
	addSizeFlag(cmd, &c.growth, "max-growth", "", "growth", "with -r all, how much copies of shared clusters may take (default: the size of the file)")
	flags.BoolVar(&c.dryRun, "dry-run", false, "with -r, change nothing")
	flags.BoolVarP(&c.quiet, "quiet", "q", false, "print nothing but errors")
	flags.BoolVarP(&c.list, "list", "l", false, "list each finding before the summary")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if c.dryRun && c.repair == "" {
			return usageError(cmd, errors.New("--dry-run is for use with -r"))
		}
		w := bufio.NewWriter(a.stdout)
		report, err := c.check(cmd.Context(), args[0], w)
		if err != nil {
			return err
		}
		switch {
		case c.quiet:
		case c.output.json():
			err = printJSON(w, newCheckResult(args[0], report))
		default:
			printReport(w, report, c.dryRun)
		}
		return cmp.Or(err, w.Flush(), checkOutcome(report))
	}
	return cmd
}

// checkCommand is check with its flags.
type checkCommand struct {
	*app
	output      *output
	progress    *bool
	repair      string
	growth      int64
	dryRun      bool
	quiet, list bool
}

// check does the work, and lists the findings on w.
func (c *checkCommand) check(ctx context.Context, name string, w io.Writer) (*checkReport, error) {
	acc := c.source()
	acc.topOnly = true
	if acc.write = c.repair != "" && !c.dryRun; acc.write {
		acc.dirty = qedfile.DirtyKeep // the repair here is the one that was asked for
	}
	d, err := c.openDiskFor(name, acc)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if foreign, ok := d.Disk.(layer.Checker); ok {
		return c.checkForeign(ctx, name, w, foreign)
	}
	if d.image == nil {
		return nil, &exitError{exitNoCheck, qemutext.Errorf("This image format does not support checks")}
	}
	progress := c.newPercentage("check", *c.progress)
	progress.begin()
	progress.counts = true // entries of the L1 table
	defer progress.finish()
	opts := &qedfile.CheckOptions{DryRun: c.dryRun, MaxGrowth: c.growth, Progress: progress.set}
	switch c.repair {
	case "leaks":
		opts.Repair = qedfile.RepairLeaks
	case "all":
		opts.Repair = qedfile.RepairAll
	}
	if c.list && !c.output.json() && !c.quiet {
		opts.Found = func(f qedfile.Finding) error {
			_, err := fmt.Fprintln(w, describeFinding(&f))
			return err
		}
	}
	report, err := d.image.Check(ctx, opts)
	if err == nil {
		err = d.Close()
	}
	if err != nil {
		return nil, fileError(name, err)
	}
	return &checkReport{CheckReport: *report, format: formatQED}, nil
}

// checkForeign checks an image that is neither QED nor raw.
func (c *checkCommand) checkForeign(ctx context.Context, name string, w io.Writer, d layer.Checker) (*checkReport, error) {
	opts := &layer.CheckOptions{}
	if c.list && !c.output.json() && !c.quiet {
		opts.Found = func(f layer.Finding) error {
			_, err := fmt.Fprintf(w, "%v: %s\n", f.Kind, show.Text(f.Why))
			return err
		}
	}
	r, err := d.Check(ctx, opts)
	if err != nil {
		return nil, fileError(name, err)
	}
	return &checkReport{
		CheckReport: qedfile.CheckReport{
			Corruptions: r.Corruptions, Leaks: r.Leaks, CheckErrors: r.CheckErrors,
			TotalClusters: r.TotalClusters, AllocatedClusters: r.AllocatedClusters, FragmentedClusters: r.FragmentedClusters,
		},
		format: formatOf(d.(qedfile.Disk)), compressed: r.CompressedClusters, end: r.ImageEnd,
	}, nil
}

// A checkReport is what is said of a check.
type checkReport struct {
	qedfile.CheckReport
	format     string
	compressed int64 // clusters
	end        int64 // of the file as far as it is in use, in bytes; 0 is not said
}

func checkOutcome(r *checkReport) error {
	switch {
	case r.CheckErrors > 0:
		return &exitError{code: exitFailed}
	case r.Corruptions > 0:
		return &exitError{code: exitCorrupt}
	case r.Leaks > 0:
		return &exitError{code: exitLeaks}
	}
	return nil
}

// checkResult has the keys of qemu-img check, in its order.
type checkResult struct {
	ImageEnd           int64  `json:"image-end-offset,omitempty"`
	CompressedClusters int64  `json:"compressed-clusters,omitempty"`
	TotalClusters      int64  `json:"total-clusters,omitempty"`
	Corruptions        int64  `json:"corruptions,omitempty"`
	CorruptionsFixed   int64  `json:"corruptions-fixed,omitempty"`
	CheckErrors        int64  `json:"check-errors"`
	Leaks              int64  `json:"leaks,omitempty"`
	LeaksFixed         int64  `json:"leaks-fixed,omitempty"`
	AllocatedClusters  int64  `json:"allocated-clusters,omitempty"`
	Filename           string `json:"filename"`
	Format             string `json:"format"`
	FragmentedClusters int64  `json:"fragmented-clusters,omitempty"`
}

func newCheckResult(name string, r *checkReport) *checkResult {
	return &checkResult{
		TotalClusters: r.TotalClusters, Corruptions: r.Corruptions, CorruptionsFixed: r.CorruptionsFixed,
		CheckErrors: r.CheckErrors, Leaks: r.Leaks, LeaksFixed: r.LeaksFixed,
		AllocatedClusters: r.AllocatedClusters, Filename: name, Format: r.format, FragmentedClusters: r.FragmentedClusters,
		ImageEnd: r.end, CompressedClusters: r.compressed,
	}
}

// printReport prints the lines of qemu-img check.
func printReport(w io.Writer, r *checkReport, dryRun bool) {
	if r.CorruptionsFixed > 0 || r.LeaksFixed > 0 {
		verb := "were found and repaired"
		if dryRun {
			verb = "would be repaired"
		}
		fmt.Fprintf(w, "The following inconsistencies %s:\n\n    %d leaked clusters\n    %d corruptions\n\n", verb, r.LeaksFixed, r.CorruptionsFixed)
		if !dryRun {
			fmt.Fprintln(w, "Double checking the fixed image now...")
		}
	}
	if r.Clean() && r.Leaks == 0 {
		fmt.Fprintln(w, "No errors were found on the image.")
	}
	if r.Corruptions > 0 {
		fmt.Fprintf(w, "\n%d errors were found on the image.\nData may be corrupted, or further writes to the image may corrupt it.\n", r.Corruptions)
	}
	if r.Leaks > 0 {
		fmt.Fprintf(w, "\n%d leaked clusters were found on the image.\nThis means waste of disk space, but no harm to data.\n", r.Leaks)
	}
	if r.CheckErrors > 0 {
		fmt.Fprintf(w, "\n%d internal errors have occurred during the check.\n", r.CheckErrors)
	}
	if r.TotalClusters > 0 && r.AllocatedClusters > 0 {
		fmt.Fprintf(w, "%d/%d = %.2f%% allocated, %.2f%% fragmented, %.2f%% compressed clusters\n",
			r.AllocatedClusters, r.TotalClusters,
			100*float64(r.AllocatedClusters)/float64(r.TotalClusters),
			100*float64(r.FragmentedClusters)/float64(r.AllocatedClusters),
			100*float64(r.compressed)/float64(r.AllocatedClusters))
	}
	if r.end > 0 {
		fmt.Fprintf(w, "Image end offset: %d\n", r.end)
	}
}

// describeFinding is one line about a finding: what, where in the file, where
// on the disk.
func describeFinding(f *qedfile.Finding) string {
	if f.Kind == qedfile.Leak {
		return fmt.Sprintf("leak: %d clusters at %#x", f.Clusters, f.Offset)
	}
	s := fmt.Sprintf("%s: L%d table at %#x", f.Kind, f.Level, f.Table)
	if f.Index >= 0 {
		s += fmt.Sprintf(", entry %d is %#x", f.Index, f.Entry)
	}
	s += ": " + f.Why
	if f.Start >= 0 {
		s += fmt.Sprintf(" (disk offset %d)", f.Start)
	}
	if f.Err != nil {
		s += ": " + message(f.Err)
	}
	return s
}
