package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/backend/newfile"
	"github.com/qedfs/qedfs/qedfile"
)

func newCompact(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "compact [flags] SRC DST",
		Short: "Copy an image without unused clusters",
		Long: `Copy an image with its geometry and backing file, but without clusters that
nothing refers to or that hold zeroes, and in the order of the disk. Unlike
convert it keeps what the image stores apart from what lies beneath it.

DST gets its name when it is complete.`,
		Args: wantArgs(2, 2, "Expecting two image file names"),
	}
	a.addShareFlags(cmd)
	asked := addProgressFlag(cmd)
	quiet := cmd.Flags().BoolP("quiet", "q", false, "print nothing but errors")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		to, err := a.describe(args[1], false)
		if err != nil {
			return fileError(args[1], err)
		}
		src, err := a.openDiskFor(args[0], access{})
		if err != nil {
			return err
		}
		defer src.Close()
		if src.image == nil {
			return fileError(args[0], errNotQED(src.format))
		}
		if err := sameBacking(src, to.Path); err != nil {
			return err
		}
		progress := a.newProgress("compact", *asked)
		defer progress.finish()
		size, err := compact(cmd.Context(), to.Path, src.image, &qedfile.CompactOptions{Progress: progress.set})
		if err != nil {
			return fileError(to.Path, err)
		}
		progress.finish()
		if *quiet {
			return nil
		}
		_, err = fmt.Fprintf(a.stdout, "%s: %d bytes, %s: %d bytes\n", src.name, src.fileSize, to.Path, size)
		return err
	}
	return cmd
}

// compact writes the copy and returns the length of its file.
func compact(ctx context.Context, name string, src *qedfile.Image, opts *qedfile.CompactOptions) (int64, error) {
	f, err := newfile.Create(name, nil)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	s := f.Storage()
	if err := qedfile.Compact(ctx, s, src, opts); err != nil {
		return 0, err
	}
	size, err := s.Size()
	if err != nil {
		return 0, err
	}
	return size, f.Commit()
}

// sameBacking refuses a place for the copy where its backing file's name
// would mean another file.
func sameBacking(src *disk, name string) error {
	backing := src.image.Header().BackingFile
	if backing == "" || filepath.IsAbs(backing) {
		return nil
	}
	from, err := os.Stat(filepath.Dir(src.name))
	if err != nil {
		return err
	}
	to, err := os.Stat(filepath.Dir(name))
	if err != nil {
		return err
	}
	if !os.SameFile(from, to) {
		return fmt.Errorf("%s: the backing file %q is relative to the image, so the copy must be in the same directory", name, backing)
	}
	return nil
}
