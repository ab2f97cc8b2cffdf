package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/qedfile"
)

// exitDiffer is compare's exit code for disks that are not the same; as with
// qemu-img a failure is then 2.
const exitDiffer = 1

func newCompare(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "compare [flags] A B",
		Short: "Compare the bytes of two disks",
		Long: `Compare the bytes of two disks. Where one is longer, what it has
more must be zeroes. --strict also demands the same size and the same parts
stored.

Exit codes: 0 the same, 1 they differ, 2 could not compare.`,
		Args:        wantArgs(2, 2, "Expecting two image file names"),
		Annotations: map[string]string{failureAnnotation: "2"},
	}
	a.addShareFlags(cmd)
	a.addDescriptionFlags(cmd)
	addSourceCacheFlag(cmd)
	addFormatFlag(cmd, &a.open.format, "format", "f", "format of A (default: QED by its first bytes)")
	var second string
	addFormatFlag(cmd, &second, "second-format", "F", "format of B (default: QED by its first bytes)")
	strict := cmd.Flags().BoolP("strict", "s", false, "differ by size or by what is stored, too")
	quiet := cmd.Flags().BoolP("quiet", "q", false, "print nothing but errors")
	asked := addProgressFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		progress := a.newPercentage("compare", *asked && !(*quiet && a.asQemu()))
		defer progress.finish()
		x, err := a.openDisk(args[0])
		if err != nil {
			return err
		}
		defer x.Close()
		y, err := a.openDiskFor(args[1], access{format: second, described: a.open.described})
		if err != nil {
			return err
		}
		defer y.Close()
		progress.begin()
		result, err := qedfile.Compare(cmd.Context(), x.Disk, y.Disk, &qedfile.CompareOptions{Strict: *strict, Progress: progress.set})
		if err != nil {
			return err
		}
		if progress.percent == nil {
			progress.finish()
		}
		if !*quiet {
			printComparison(a.stdout, result, x.Size(), y.Size())
		}
		if result.Mismatch != qedfile.Identical {
			return &exitError{code: exitDiffer}
		}
		return nil
	}
	return cmd
}

// printComparison prints what qemu-img compare does.
func printComparison(w io.Writer, c qedfile.Comparison, x, y int64) {
	// A different size is worth a word once the common part is the same.
	if x != y && c.Mismatch != qedfile.SizeMismatch && (c.Offset < 0 || c.Offset >= min(x, y)) {
		fmt.Fprintln(w, "Warning: Image size mismatch!")
	}
	switch c.Mismatch {
	case qedfile.Identical:
		fmt.Fprintln(w, "Images are identical.")
	case qedfile.SizeMismatch:
		fmt.Fprintln(w, "Strict mode: Image size mismatch!")
	case qedfile.StatusMismatch:
		fmt.Fprintf(w, "Strict mode: Offset %d block status mismatch!\n", c.Offset)
	default:
		// qemu-img names the sector.
		fmt.Fprintf(w, "Content mismatch at offset %d!\n", c.Offset&^511)
	}
}
