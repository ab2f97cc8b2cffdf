package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

func newCommit(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "commit [flags] IMAGE",
		Short: "Write what an image stores into its backing file",
		Long: `Write what an image stores into its backing file, which then shows what the
image does. A backing file that is shorter is made as long. The image itself
stays as it is, as qemu-img leaves it, unless --empty removes what the
backing file now has.

Other images over the same backing file are spoilt by this.`,
		Args: cobra.ExactArgs(1),
	}
	a.addBackingFlag(cmd)
	addImageFormatFlag(cmd)
	asked := addProgressFlag(cmd)
	empty := cmd.Flags().Bool("empty", false, "remove from the image what the backing file then has")
	cmd.Flags().BoolP("keep", "d", false, "leave the image as it is, as always without --empty")
	cmd.MarkFlagsMutuallyExclusive("keep", "empty")
	quiet := cmd.Flags().BoolP("quiet", "q", false, "print nothing but errors")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		top, base, err := a.openForCommit(args[0], *empty)
		if err != nil {
			return err
		}
		progress := a.newProgress("commit", *asked)
		defer progress.finish()
		err = qedfile.Commit(cmd.Context(), base, top, &qedfile.CommitOptions{Empty: *empty, Progress: progress.set})
		if err = errors.Join(err, top.Close()); err != nil || *quiet {
			return fileError(args[0], err)
		}
		progress.finish()
		_, err = fmt.Fprintln(a.stdout, "Image committed.")
		return err
	}
	return cmd
}

// openForCommit opens an image, and its backing file for writing.
func (a *app) openForCommit(name string, writeTop bool) (*qedfile.Image, qedfile.WritableDisk, error) {
	flag := os.O_RDONLY
	if writeTop {
		flag = os.O_RDWR
	}
	f, err := backend.OpenFile(name, flag, nil)
	if err != nil {
		return nil, nil, fileError(name, err)
	}
	var base *disk
	open := func(ref qedfile.BackingRef) (qedfile.Disk, error) {
		var err error
		if base, err = a.openWritableBacking(name, ref); err != nil {
			return nil, err
		}
		return base.Disk, nil
	}
	top, err := openTop(f, &qedfile.Options{Backing: open, Writable: writeTop})
	if err != nil {
		return nil, nil, errors.Join(fileError(name, a.explainBacking(err)), f.Close())
	}
	if base == nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: the image has no backing file", name), top.Close())
	}
	return top, base.writable(), nil
}

func openTop(f *backend.File, opts *qedfile.Options) (*qedfile.Image, error) {
	if err := requireQED(f); err != nil {
		return nil, err
	}
	return qedfile.New(f, opts)
}

// openWritableBacking opens the backing file of an image for writing, if
// --backing allows to open it at all: what that opens is closed again, and
// tells the format.
func (a *app) openWritableBacking(image string, ref qedfile.BackingRef) (*disk, error) {
	allowed := a.backingFunc(nil, image)
	if allowed == nil {
		return nil, qedfile.ErrBackingDenied
	}
	d, err := allowed(ref)
	if err != nil {
		return nil, err
	}
	format := formatOf(d)
	if err := d.Close(); err != nil {
		return nil, err
	}
	return a.openDiskFor(backingFile(image, ref.Name), access{format: format, write: true})
}
