package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/qedfile"
)

func newMap(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "map [flags] IMAGE",
		Short: "Show where the disk's bytes lie",
		Long: `Show which parts of the disk are stored, and where: in the image, or in a
file of its backing chain. The table, which leaves out what reads as zeroes,
and the JSON are those of qemu-img map.

--svg draws a picture: the file with its header, tables, data and
unused clusters, the disk above it, and how the one maps to the other.`,
		Args: oneImage(),
	}
	a.addOpenFlags(cmd)
	a.addDescriptionFlags(cmd)
	out := addOutputFlag(cmd)
	start, length := int64(0), int64(math.MaxInt64)
	addSizeFlag(cmd, &start, "start-offset", "s", "start offset", "begin at this offset of the disk")
	addSizeFlag(cmd, &length, "max-length", "l", "max length", "show so many bytes at most")
	svg := cmd.Flags().String("svg", "", "draw a picture into this `file` instead; - is standard output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := a.openDisk(args[0])
		if err != nil {
			return err
		}
		defer d.Close()
		if *svg != "" {
			return a.drawMap(cmd.Context(), d, *svg)
		}
		w := bufio.NewWriter(a.stdout)
		runs := d.runs(cmd.Context(), start, length)
		if out.json() {
			err = printRunsJSON(w, runs)
		} else {
			err = printRuns(w, runs, d.layers())
		}
		if a.asQemu() && err == errNoPlace {
			err = qemutext.Errorf("File contains external, encrypted or compressed clusters.")
			return cmp.Or(w.Flush(), err)
		}
		return cmp.Or(w.Flush(), fileError(d.name, err))
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
	file          int   // of those of the layer, as [qedfile.Extent] has it
}

// runs maps n bytes of the disk from off on, without holding the map: a small
// image can be made to have a very long one. Holes of a raw file are present
// in qemu's sense, with the offset that they have. An invalid part is left
// out; the first one's error comes last.
func (d *disk) runs(ctx context.Context, off, n int64) iter.Seq2[mapRun, error] {
	layers := d.layers()
	return func(yield func(mapRun, error) bool) {
		if off >= d.Size() || n == 0 {
			yield(mapRun{start: off, offset: -1}, nil)
			return
		}
		var damage error
		for e, err := range d.Disk.(qedfile.Mapper).Extents(off, n) {
			if ctx.Err() != nil {
				damage = ctx.Err()
				break
			}
			if err != nil {
				damage = cmp.Or(damage, err)
				continue
			}
			r := mapRun{
				start: e.Start, length: e.Length, depth: e.Depth,
				present: e.Kind != qedfile.Unallocated,
				zero:    e.Kind != qedfile.Data,
				data:    e.Kind == qedfile.Data || e.Hole,
				offset:  e.Offset,
				file:    e.File,
			}
			if e.Kind == qedfile.Zero && layers[e.Depth].raw != nil {
				r.offset = e.Start
			}
			if r.offset >= 0 {
				r.offset += layers[e.Depth].base
			}
			if !yield(r, nil) {
				return
			}
		}
		if damage != nil {
			yield(mapRun{}, damage)
		}
	}
}

// printRuns prints the table of qemu-img map.
func printRuns(w io.Writer, runs iter.Seq2[mapRun, error], layers []*disk) error {
	fmt.Fprintf(w, "%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File")
	for r, err := range runs {
		if err != nil {
			return err
		}
		if !r.data || r.zero {
			continue
		}
		if r.offset < 0 {
			return errNoPlace
		}
		if _, err := fmt.Fprintf(w, "%-16s%-16s%-16s%s\n", cHex(r.start), cHex(r.length), cHex(r.offset), layers[r.depth].fileName(r.file)); err != nil {
			return err
		}
	}
	return nil
}

// errNoPlace ends the table at what it cannot show.
var errNoPlace = errors.New("some data is compressed and has no place in the file; --output json shows it")

// fileName is the name of one of the files of a layer: the image's own, or a
// further one that it names.
func (d *disk) fileName(i int) string {
	if about, ok := d.Disk.(images.Describer); ok && i > 0 {
		if info, _ := about.Info(); info != nil && i <= len(info.Files) {
			return backingPath(d.name, info.Files[i-1])
		}
	}
	return d.name
}

// cHex prints a number as C's "%#x" does, which leaves zero bare.
func cHex(n int64) string {
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("%#x", n)
}

// printRunsJSON prints what qemu-img map --output=json does, byte for byte.
func printRunsJSON(w io.Writer, runs iter.Seq2[mapRun, error]) (damage error) {
	separator := "["
	for r, err := range runs {
		if err != nil {
			damage = err
			break
		}
		offset := ""
		if r.offset >= 0 {
			offset = fmt.Sprintf(`, "offset": %d`, r.offset)
		}
		_, err := fmt.Fprintf(w, `%s{ "start": %d, "length": %d, "depth": %d, "present": %t, "zero": %t, "data": %t%s}`,
			separator, r.start, r.length, r.depth, r.present, r.zero, r.data, offset)
		if err != nil {
			return err
		}
		separator = ",\n"
	}
	if separator == "[" {
		fmt.Fprint(w, "[")
	}
	fmt.Fprintln(w, "]")
	return damage
}
