package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
	"github.com/qedfs/qedfs/qedfile"
)

func newDump(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dump [flags] IMAGE VOLUME DEST",
		Short: "Copy the raw bytes of one volume",
		Long: `Copy the raw bytes of a partition or logical volume into a file, without the
parts that hold nothing: the file is sparse, and gets its name when it is
complete. With - for DEST all bytes go to standard output.`,
		Args: cobra.ExactArgs(3),
	}
	a.addFileFlags(cmd)
	asked := addProgressFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := a.openFiles(cmd, args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		v, err := f.volume(args[1])
		if err != nil {
			return err
		}
		progress := a.newProgress("dump", *asked)
		defer progress.finish()
		if args[2] == "-" {
			err = f.stream(cmd.Context(), v, progress)
		} else {
			err = makeDisk(args[2], formatRaw, v.Size, &diskOptions{}, func(dst qedfile.WritableDisk) error {
				opts := &qedfile.ConvertOptions{Progress: progress.set}
				return qedfile.Convert(cmd.Context(), dst, &volumeDisk{v.Reader(), v}, opts)
			})
		}
		return cmp.Or(err, f.whole(v))
	}
	return cmd
}

// whole fails where the disk does not have all of a volume.
func (f *files) whole(v *imagefs.Volume) error {
	if p := v.Partition; p != nil && p.Missing > 0 {
		f.fail(fmt.Errorf("%s: %d bytes of it are past the end of the disk", show.Name(v.Name), p.Missing))
	}
	return f.failed()
}

// volume finds a volume by an argument of the command line.
func (f *files) volume(arg string) (*imagefs.Volume, error) {
	name := f.literal(arg)
	v, err := f.Volume(name)
	switch {
	case err != nil && strings.Contains(name, "/"):
		return nil, fmt.Errorf("%s: not a volume", show.Name(name))
	case err != nil:
		return nil, f.explain(name, err)
	}
	return v, nil
}

// stream writes a volume to standard output.
func (f *files) stream(ctx context.Context, v *imagefs.Volume, progress *progress) error {
	out := &sink{ctx: ctx, w: f.a.stdout}
	r := v.Reader()
	buf := make([]byte, 1<<20)
	for done := int64(0); done < v.Size; {
		n, err := r.Read(buf)
		if _, werr := out.Write(buf[:n]); werr != nil {
			return werr
		}
		done += int64(n)
		progress.set(done, v.Size)
		if err != nil && !(err == io.EOF && done == v.Size) {
			return fmt.Errorf("%s: byte %d: %w", show.Name(v.Name), done, err)
		}
	}
	return nil
}

// volumeDisk is a volume as a disk of its own. It knows which of its parts
// hold data where the disk beneath does.
type volumeDisk struct {
	*io.SectionReader
	volume *imagefs.Volume
}

func (*volumeDisk) Close() error { return nil }

// Extents implements [qedfile.Mapper].
func (d *volumeDisk) Extents(off, n int64) iter.Seq2[qedfile.Extent, error] {
	return func(yield func(qedfile.Extent, error) bool) {
		if off < 0 || n < 0 || off > d.volume.Size {
			yield(qedfile.Extent{}, errors.New("outside the volume"))
			return
		}
		n = min(n, d.volume.Size-off)
		under, _ := d.volume.OnDisk()
		mapper, ok := under.(qedfile.Mapper)
		if !ok {
			if n > 0 {
				yield(qedfile.Extent{Start: off, Length: n, Kind: qedfile.Data, Offset: -1}, nil)
			}
			return
		}
		for x, err := range mapper.Extents(d.volume.Offset+off, n) {
			x.Start -= d.volume.Offset
			if !yield(x, err) {
				return
			}
		}
	}
}
