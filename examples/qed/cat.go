package main

import (
	"cmp"
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"
)

func newCat(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cat [flags] IMAGE PATH...",
		Short: "Print files inside the image",
		Long: `Print the contents of files, one after the other. Symbolic links are followed
inside their volume.

Here and wherever a PATH is taken, one that begins with a slash is the guest's,
with what its fstab mounts; all others begin with a volume: its name, LABEL=,
UUID= or /dev/sda2.`,
		Args: cobra.MinimumNArgs(2),
	}
	a.addFileFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := a.openFiles(cmd, args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		return f.cat(cmd.Context(), f.paths(cmd.Context(), args[1:]))
	}
	return cmd
}

// cat prints files.
func (f *files) cat(ctx context.Context, names []string) error {
	out := &sink{ctx: ctx, w: f.a.stdout}
	for _, name := range names {
		err := f.copyTo(out, name)
		if out.err != nil {
			return out.err
		}
		if err != nil {
			f.fail(f.explain(name, err))
		}
	}
	return f.failed()
}

// errNoContents is the error for a special file that is to be printed: the
// image has nothing of what came through it.
var errNoContents = errors.New("a device, pipe or socket: it has no contents")

// copyTo writes the contents of a file.
func (f *files) copyTo(w io.Writer, name string) error {
	file, err := f.tree.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return cmp.Or(err, errNoContents)
	}
	_, err = io.Copy(w, file)
	return err
}

// sink is where a command writes what it reads from an image. It remembers
// its own failure, to tell it from one of reading, and stops when the command
// is interrupted.
type sink struct {
	ctx context.Context
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (n int, err error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	n, s.err = s.w.Write(p)
	return n, s.err
}
