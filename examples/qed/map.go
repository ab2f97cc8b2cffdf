package main

import (
	"bufio"
	"fmt"
	"io"
	"math"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/qedfile"
)

func newMap(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "map [flags] IMAGE",
		Short: "Show where the disk's bytes lie",
		Long: `Show which parts of the disk are stored, and where: in the image, or in a
file of its backing chain. The table, which leaves out what reads as zeroes,
and the JSON are those of qemu-img map.

--svg draws a picture as well: the file with its header, tables, data and
unused clusters, the disk above it, and how the one maps to the other.`,
		Args: cobra.ExactArgs(1),
	}
	a.addOpenFlags(cmd)
	out := addOutputFlag(cmd)
	var start, length sizeFlag = 0, math.MaxInt64
	cmd.Flags().Var(&start, "start-offset", "begin at this offset of the disk")
	cmd.Flags().Var(&length, "max-length", "show so many bytes at most")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := a.openDisk(args[0])
		if err != nil {
			return err
		}
		defer d.Close()
		runs, err := d.runs(int64(start), int64(length))
		if err != nil {
			return fileError(d.name, err)
		}
		w := bufio.NewWriter(a.stdout)
		if out.json() {
			printRunsJSON(w, runs)
		} else {
			printRuns(w, runs, d.layers())
		}
		return w.Flush()
	}
	return cmd
}

// mapRun is a run of the disk as qemu-img map shows it.
type mapRun struct {
	start, length int64
	depth         int
	present       bool  // some layer says what is there
	zero, data    bool  // reads as zeroes; has bytes stored
	offset        int64 // in the file at depth, -1 if nowhere
}

// runs maps n bytes of the disk from off on. Holes of a raw file are present
// in qemu's sense, with the offset that they have.
func (d *disk) runs(off, n int64) ([]mapRun, error) {
	layers := d.layers()
	mapper, ok := d.Disk.(qedfile.Mapper)
	if !ok {
		return nil, fmt.Errorf("a disk of format %s has no map", d.format)
	}
	if d.Size() == 0 {
		return []mapRun{{offset: -1}}, nil
	}
	var runs []mapRun
	for e, err := range mapper.Extents(off, n) {
		if err != nil {
			return nil, err
		}
		r := mapRun{
			start: e.Start, length: e.Length, depth: e.Depth,
			present: e.Kind != qedfile.Unallocated,
			zero:    e.Kind != qedfile.Data,
			data:    e.Kind == qedfile.Data,
			offset:  e.Offset,
		}
		if e.Kind == qedfile.Zero && layers[e.Depth].raw != nil {
			r.offset = e.Start
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// printRuns prints the table of qemu-img map.
func printRuns(w io.Writer, runs []mapRun, layers []*disk) {
	fmt.Fprintf(w, "%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File")
	for _, r := range runs {
		if r.data {
			fmt.Fprintf(w, "%-16s%-16s%-16s%s\n", cHex(r.start), cHex(r.length), cHex(r.offset), layers[r.depth].name)
		}
	}
}

// cHex prints a number as C's "%#x" does, which leaves zero bare.
func cHex(n int64) string {
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("%#x", n)
}

// printRunsJSON prints what qemu-img map --output=json does, byte for byte.
func printRunsJSON(w io.Writer, runs []mapRun) {
	for i, r := range runs {
		separator := ",\n"
		if i == 0 {
			separator = "["
		}
		fmt.Fprintf(w, `%s{ "start": %d, "length": %d, "depth": %d, "present": %t, "zero": %t, "data": %t`,
			separator, r.start, r.length, r.depth, r.present, r.zero, r.data)
		if r.offset >= 0 {
			fmt.Fprintf(w, `, "offset": %d`, r.offset)
		}
		fmt.Fprint(w, "}")
	}
	fmt.Fprintln(w, "]")
}
