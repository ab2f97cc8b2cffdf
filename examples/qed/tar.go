package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/qedfs/qedfs/adapters/diskfs/archive"
	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/backend/newfile"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

func newTar(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tar [flags] IMAGE [PATH]...",
		Short: "Write the files inside the image as a tar archive",
		Long: `Write the files inside the image to standard output as a tar archive (POSIX
pax): numeric owners, times to the nanosecond, links of both kinds, devices,
extended attributes, access control lists, and files with holes without them.
With PATHs only these are written, with all below each.

-C begins at a directory of the image; members are named relative to it, and so
are the PATHs. Without it, the volumes are the top directories, or those of the
guest's root where the PATHs begin with a slash.

-z compresses, --zstd does it faster and better. --file writes to a file, which
has its name when the archive is complete; -f means it, too, if what follows is
no format of an image and has a dot or slash.

A file that cannot be read is left out, and of a long one the damaged part is
zeroes; both are said, and the exit code is 1. So is a socket, which an archive
cannot hold, unless --skip-sockets says that they are not wanted.`,
		Args: cobra.MinimumNArgs(1),
	}
	a.addFileFlags(cmd)
	t := &archiving{app: a}
	flags := cmd.Flags()
	flags.StringVar(&t.file, "file", "-", "write to this `file`; - is standard output")
	if format := flags.Lookup("format"); format != nil { // in a shell the image is open
		format.Value = &formatOrFile{format.Value, &t.file}
	}
	flags.BoolVarP(&t.gzip, "gzip", "z", false, "compress by gzip")
	flags.BoolVar(&t.zstd, "zstd", false, "compress by zstd")
	t.asked = addProgressFlag(cmd)
	flags.BoolVar(&t.skipSockets, "skip-sockets", false, "leave out sockets, which an archive cannot hold, without an error")
	flags.StringVarP(&t.dir, "directory", "C", "", "begin at this `path` of the image")
	cmd.MarkFlagsMutuallyExclusive("gzip", "zstd")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if out, ok := a.stdoutFile(); t.file == "-" && ok && term.IsTerminal(int(out.Fd())) {
			return errors.New("an archive is not for a terminal; pipe it into tar, or write it to a file with --file")
		}
		f, err := a.openFiles(cmd, args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		t.files = f
		if t.root, t.paths, err = t.find(cmd.Context(), args[1:]); err != nil {
			return err
		}
		if t.file == "-" {
			return t.write(cmd.Context(), a.stdout)
		}
		return t.toFile(cmd.Context())
	}
	return cmd
}

// formatOrFile is the -f of tar: the format of the image as everywhere, and, as
// tar has it, the archive.
type formatOrFile struct {
	pflag.Value
	file *string
}

func (f *formatOrFile) Set(s string) error {
	if !slices.Contains(images.Formats(), s) && (s == "-" || strings.ContainsAny(s, "./")) {
		*f.file = s
		return nil
	}
	return f.Value.Set(s)
}

// archiving is a run of tar.
type archiving struct {
	*app
	*files
	file, dir               string
	gzip, zstd, skipSockets bool
	asked                   *bool
	root                    string   // what members are named relative to
	paths                   []string // what is written; none is all
}

// find looks the arguments up.
func (t *archiving) find(ctx context.Context, args []string) (root string, paths []string, err error) {
	if root, err = t.path(ctx, t.dir); err != nil {
		return "", nil, err
	}
	if _, err := t.tree.Stat(root); err != nil {
		return "", nil, t.explain(root, err)
	}
	if len(args) == 0 {
		t.requireFiles(root)
		return root, nil, nil
	}
	f := *t.files
	f.dir = ""
	if t.dir != "" {
		f.dir = root
		for i := range args {
			args[i] = strings.TrimLeft(args[i], "/") // as in the archive
		}
	}
	for _, name := range f.paths(ctx, args) {
		if _, err := t.tree.Lstat(name); err != nil {
			t.fail(t.explain(name, err))
			continue
		}
		if t.dir == "" && isGuest(name) {
			root = "/"
		}
		paths = append(paths, name)
	}
	for _, name := range paths {
		if isGuest(name) != isGuest(root) {
			return "", nil, fmt.Errorf("%s and %s: paths of the guest and of volumes in one archive", show.Name(paths[0]), show.Name(name))
		}
	}
	if len(paths) == 0 {
		return "", nil, t.failed()
	}
	return root, paths, nil
}

// toFile writes the archive to a file. Where it lacks something it is there
// nevertheless, as cp's copies are.
func (t *archiving) toFile(ctx context.Context) error {
	f, err := newfile.Create(t.file, nil)
	if err != nil {
		return fileError(t.file, err)
	}
	defer f.Close()
	written := t.write(ctx, f.OSFile())
	if exit := new(exitError); written != nil && (!errors.As(written, &exit) || exit.err != nil) {
		return written
	}
	return cmp.Or(fileError(t.file, f.Commit()), written)
}

// write writes the archive, compressed if that is wanted.
func (t *archiving) write(ctx context.Context, out io.Writer) error {
	var packed io.WriteCloser
	switch {
	case t.gzip:
		packed = gzip.NewWriter(out)
	case t.zstd:
		z, err := zstd.NewWriter(out)
		if err != nil {
			return err
		}
		packed = z
	default:
		return t.tar(ctx, out)
	}
	written := t.tar(ctx, packed)
	return cmp.Or(packed.Close(), written)
}

func (t *archiving) tar(ctx context.Context, out io.Writer) error {
	progress := t.newProgress("tar", *t.asked)
	defer progress.finish()
	if progress.shown() {
		what := t.paths
		if len(what) == 0 {
			what = []string{t.root}
		}
		total, err := t.storedBytes(ctx, what)
		if err != nil {
			return err
		}
		out = &meter{w: out, total: total, progress: progress}
	}
	tree, at := t.tree.at(t.root)
	paths := t.paths
	if at == "." && isGuest(t.root) {
		paths = make([]string, len(t.paths))
		for i, name := range t.paths {
			paths[i] = cmp.Or(strings.TrimPrefix(name, "/"), ".")
		}
	}
	opts := &archive.Options{Paths: paths, Problem: func(path string, err error) {
		if !t.skipSockets || !errors.Is(err, archive.ErrSocket) {
			t.fail(atPath(path, err))
		}
	}}
	if err := archive.Write(ctx, out, tree, at, opts); err != nil {
		return err
	}
	return t.failed()
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
