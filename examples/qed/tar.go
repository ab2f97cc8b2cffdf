package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/qedfs/qedfs/adapters/diskfs/archive"
)

func newTar(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tar [flags] IMAGE",
		Short: "Write the files inside the image as a tar archive",
		Long: `Write the files inside the image to standard output as a tar archive (POSIX
pax): numeric owners, times to the nanosecond, links of both kinds, devices,
extended attributes, access control lists, and files with holes without them.

-C begins at a directory of the image; members are named relative to it. Without
it, the volumes are the top directories.

A file that cannot be read is left out, and of a long one the damaged part is
zeroes; both are said, and the exit code is 1. So is a socket, which an archive
cannot hold, unless --skip-sockets says that they are not wanted.`,
		Args: cobra.ExactArgs(1),
	}
	a.addFileFlags(cmd)
	asked := addProgressFlag(cmd)
	skipSockets := cmd.Flags().Bool("skip-sockets", false, "leave out sockets, which an archive cannot hold, without an error")
	dir := cmd.Flags().StringP("directory", "C", "", "begin at this `path` of the image")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if out, ok := a.stdoutFile(); ok && term.IsTerminal(int(out.Fd())) {
			return errors.New("an archive is not for a terminal; pipe it into tar, or redirect it into a file")
		}
		f, err := a.openFiles(cmd, args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		root, err := f.path(cmd.Context(), *dir)
		if err != nil {
			return err
		}
		if _, err := f.tree.Stat(root); err != nil {
			return f.explain(root, err)
		}
		f.requireFiles(root)
		problem := func(path string, err error) {
			if *skipSockets && errors.Is(err, archive.ErrSocket) {
				return
			}
			f.fail(atPath(path, err))
		}
		return f.tar(cmd.Context(), root, problem, a.newProgress("tar", *asked))
	}
	return cmd
}

func (f *files) tar(ctx context.Context, root string, problem func(string, error), progress *progress) error {
	defer progress.finish()
	out := f.a.stdout
	if progress.shown() {
		total, err := f.storedBytes(ctx, []string{root})
		if err != nil {
			return err
		}
		out = &meter{w: out, total: total, progress: progress}
	}
	tree, at := f.tree.at(root)
	if err := archive.Write(ctx, out, tree, at, &archive.Options{Problem: problem}); err != nil {
		return err
	}
	return f.failed()
}

// meter shows how much of about total bytes has been written.
type meter struct {
	w           io.Writer
	done, total int64
	progress    *progress
}

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	m.done += int64(n)
	m.progress.set(m.done, m.total)
	return n, err
}
