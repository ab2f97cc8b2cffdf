package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/treediff"
	"github.com/qedfs/qedfs/adapters/source"
)

func newDiff(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff [flags] A B [PATH [PATH-IN-B]]",
		Short: "List the files that differ between two images",
		Long: `List the files that differ between two images, or between two directories of
them: "-" for those in A alone, "+" for those in B alone, "=" for those that
are not the same, with what differs: type, mode, uid, gid, rdev, mtime, xattrs,
size, content, target. Times of directories do not count without --dir-times.

--output json prints one object a line: path, change (removed, added, changed),
fields, and a and b as ls describes files. Messages name the image that they
are about.

Exit codes: 0 the same, 1 they differ, 2 could not compare everything.`,
		Args:        cobra.RangeArgs(2, 4),
		Annotations: map[string]string{failureAnnotation: "2"},
	}
	a.addFileFlags(cmd)
	out := addOutputFlag(cmd)
	var opts treediff.Options
	cmd.Flags().BoolVar(&opts.NoTimes, "no-times", false, "ignore times of change")
	cmd.Flags().BoolVar(&opts.DirTimes, "dir-times", false, "compare times of directories, too")
	var second string
	addReadFormatFlag(cmd, &second, "second-format", "F", "format of B (default: that of -f, if there is one, else by its first bytes)")
	null := cmd.Flags().BoolP("null", "0", false, "end lines with a NUL, with paths as they are stored")
	cmd.Flags().BoolP("recursive", "r", false, "go through all that is below, as always")
	cmd.Flags().BoolP("brief", "q", false, "say that files differ and not how, as always")
	asked := addProgressFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d := &differ{w: bufio.NewWriter(a.stdout), nul: *null}
		if out.json() {
			d.json = json.NewEncoder(d.w)
			d.json.SetEscapeHTML(false)
		}
		var err error
		if d.a, err = a.openFiles(cmd, args[0]); err != nil {
			return err
		}
		defer d.a.Close()
		a.open.format = cmp.Or(second, a.open.format)
		if d.b, err = a.openFiles(cmd, args[1]); err != nil {
			return err
		}
		defer d.b.Close()
		d.a.about, d.b.about = source.Redacted(args[0]), source.Redacted(args[1])
		paths := args[2:]
		if len(paths) == 0 {
			paths = []string{"."}
		}
		rootA, err := d.a.path(cmd.Context(), paths[0])
		if err != nil {
			return fmt.Errorf("%s: %w", d.a.about, err)
		}
		rootB, err := d.b.path(cmd.Context(), paths[len(paths)-1])
		if err != nil {
			return fmt.Errorf("%s: %w", d.b.about, err)
		}
		progress := a.newCounter("diff", *asked)
		defer progress.finish()
		if progress.shown() {
			opts.Progress = progress.count
		}
		return d.run(cmd.Context(), rootA, rootB, &opts)
	}
	return cmd
}

// differ prints the differences of two images.
type differ struct {
	a, b    *files
	w       *bufio.Writer
	json    *json.Encoder // nil for people
	changed bool
	nul     bool
}

func (d *differ) run(ctx context.Context, rootA, rootB string, opts *treediff.Options) error {
	if _, err := d.a.tree.Stat(rootA); err != nil {
		return fmt.Errorf("%s: %w", d.a.about, d.a.explain(rootA, err))
	}
	if _, err := d.b.tree.Stat(rootB); err != nil {
		return fmt.Errorf("%s: %w", d.b.about, d.b.explain(rootB, err))
	}
	d.a.requireFiles(rootA)
	d.b.requireFiles(rootB)
	a, b := treediff.Side{Tree: d.a.tree, Root: rootA}, treediff.Side{Tree: d.b.tree, Root: rootB}
	for diff, err := range treediff.Compare(ctx, a, b, opts) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			d.fail(err)
			continue
		}
		d.changed = true
		if err := d.print(diff); err != nil {
			return err
		}
	}
	if err := d.w.Flush(); err != nil {
		return err
	}
	if d.a.count+d.b.count > 0 {
		return &exitError{code: failureCode(d.a.cmd)}
	}
	if d.changed {
		return &exitError{code: exitDiffer}
	}
	return nil
}

// fail says what could not be compared, and in which image that is.
func (d *differ) fail(err error) {
	f := d.a
	var side *treediff.SideError
	if errors.As(err, &side) {
		if err = side.Err; side.Second {
			f = d.b
		}
	}
	f.fail(err)
}

// change is the JSON object of a difference.
type change struct {
	Path    string   `json:"path"`
	PathHex string   `json:"path_hex,omitempty"`
	Change  string   `json:"change"`
	Fields  []string `json:"fields,omitempty"`
	A       *entry   `json:"a,omitempty"`
	B       *entry   `json:"b,omitempty"`
}

func (d *differ) print(diff *treediff.Difference) error {
	sign, word := "=", "changed"
	switch {
	case diff.B == nil:
		sign, word = "-", "removed"
	case diff.A == nil:
		sign, word = "+", "added"
	}
	if d.json == nil {
		return d.printDifference(sign, diff)
	}
	c := change{Change: word, Fields: diff.Fields}
	c.Path, c.PathHex = jsonPath(diff.Path)
	var err error
	if diff.A != nil {
		if c.A, err = d.a.newEntry(diff.A.Path, diff.A.Stat); err != nil {
			d.a.fail(err)
		}
	}
	if diff.B != nil {
		if c.B, err = d.b.newEntry(diff.B.Path, diff.B.Stat); err != nil {
			d.b.fail(err)
		}
	}
	return d.json.Encode(c)
}

func (d *differ) printDifference(sign string, diff *treediff.Difference) error {
	what, end := "", "\n"
	if len(diff.Fields) > 0 {
		what = ": " + strings.Join(diff.Fields, ", ")
	}
	if d.nul {
		end = "\x00"
	}
	_, err := fmt.Fprintf(d.w, "%s %s%s%s", sign, d.a.printable(diff.Path, d.nul), what, end)
	return err
}
