package main

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/extract"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

func newCp(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cp [flags] IMAGE PATH... DEST",
		Short: "Copy files out of the image",
		Long: `Copy files, and directories with all below them, out of the image. As with cp,
DEST is a directory to copy into, or the new name of a single PATH. A PATH
that is a symbolic link is followed; links below are copied as links. With - for
DEST the contents of files go to standard output, as cat prints them.

Modes, times, holes and hard links are kept. Nothing is written outside DEST,
whatever the image says. Files lose setuid bits, owners and extended attributes
unless the flags ask for them. A file that exists is not replaced without
--force.

Devices and pipes are made with --devices only, and sockets not at all: one that
is left out is a failure like any other, unless --skip-special says that they
are not wanted.

A file has a temporary name (.qed-*.partial) until it is complete and on the
disk; the next run that writes it removes what a killed one has left. The
command ends when everything is on the disk, unless --no-sync says otherwise.

What cannot be copied is said, and the exit code is 1.`,
		Args: cobra.MinimumNArgs(3),
	}
	a.addFileFlags(cmd)
	asked := addProgressFlag(cmd)
	var opts extract.Options
	flags := cmd.Flags()
	flags.BoolVar(&opts.Force, "force", false, "replace files that exist")
	keepLinks := flags.BoolP("no-dereference", "P", false, "copy a PATH that is a symbolic link as a link")
	flags.BoolVar(&opts.Owner, "owner", false, "keep owners by their numbers (needs root)")
	flags.BoolVar(&opts.Xattrs, "xattrs", false, "keep extended attributes and access control lists")
	flags.BoolVar(&opts.Setuid, "setuid", false, "keep setuid and setgid bits, and file capabilities with --xattrs")
	flags.BoolVar(&opts.Unsynced, "no-sync", false, "do not wait until the files are on the disk")
	flags.BoolVar(&opts.Devices, "devices", false, "make devices and named pipes, too (Linux; devices need root)")
	skipSpecial := flags.Bool("skip-special", false, "leave out devices, pipes and sockets without an error")
	flags.BoolP("recursive", "r", false, "copy directories with all below them, as always")
	flags.BoolP("copy-directories", "R", false, "as -r")
	all := flags.BoolP("archive", "a", false, "keep everything: -P, --owner, --xattrs, --setuid and --devices")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := a.openFiles(cmd, args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		if args[len(args)-1] == "-" {
			return f.cat(cmd.Context(), f.paths(cmd.Context(), args[1:len(args)-1]))
		}
		if *all {
			*keepLinks, opts.Owner, opts.Xattrs, opts.Setuid, opts.Devices = true, true, true, true, true
		}
		opts.Follow = !*keepLinks
		sources := f.paths(cmd.Context(), args[1:len(args)-1])
		for _, name := range sources {
			f.requireFiles(name)
		}
		opts.Problem = f.copyProblem(sources, *skipSpecial)
		return f.cp(cmd.Context(), sources, args[len(args)-1], opts, a.newProgress("cp", *asked))
	}
	return cmd
}

func (f *files) cp(ctx context.Context, sources []string, dest string, opts extract.Options, progress *progress) error {
	defer progress.finish()
	if progress.shown() {
		total, err := f.storedBytes(ctx, sources)
		if err != nil {
			return err
		}
		opts.Progress = func(done int64) { progress.set(done, total) }
	}
	var tree fstree.Walker = f.tree
	if len(sources) == 1 {
		tree, sources[0] = f.tree.at(sources[0])
	}
	if err := extract.Copy(ctx, tree, sources, dest, &opts); err != nil {
		return pathError(err)
	}
	return f.failed()
}

// copyProblem says what is not copied, or lacks something. A special file that
// was asked for by its own name is missed even where others are not.
func (f *files) copyProblem(sources []string, skipSpecial bool) func(string, error) {
	return func(path string, err error) {
		switch {
		case errors.Is(err, extract.ErrSpecial):
			if skipSpecial && !slices.Contains(sources, path) {
				return
			}
			f.fail(atPath(path, err))
			f.note(errSpecialFlags)
		case errors.Is(err, fs.ErrNotExist):
			f.fail(f.explain(path, err))
		default:
			f.fail(atPath(path, err))
		}
	}
}

var errSpecialFlags = errors.New("--devices makes devices and pipes; --skip-special does without what is not made")

// storedBytes is how much there is to copy. What cannot be read is left to the
// copying to say.
func (f *files) storedBytes(ctx context.Context, sources []string) (total int64, err error) {
	for _, source := range sources {
		for e, err := range f.tree.Walk(ctx, source, &fstree.WalkOptions{Stat: true}) {
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			if err != nil || !e.Type().IsRegular() {
				continue
			}
			var st *imagefs.Stat
			if st, err = e.Stat(); err == nil {
				total += min(st.Size, max(st.Blocks*512, 0))
			}
		}
	}
	return total, nil
}
