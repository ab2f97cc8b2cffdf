package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
	"github.com/qedfs/qedfs/examples/qed/internal/unixmode"
)

func newLs(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ls [flags] IMAGE [PATH]...",
		Short: "List files inside the image",
		Long: `List a directory, or describe a file. Without PATH the volumes are listed,
which are the top directories of the tree.

-R lists everything below, one full path a line, so that each line is an
argument for cat, cp and the others, and grep finds what it looks for. Names
that begin with a dot are listed with -a only, as ls does.

-t and -S sort by time, the latest first, and by size, the largest first; -r
reverses the order. With -R everything below is sorted as one list.

--output json prints one object a line for every file, those with a dot too:
path, type (f d l c b p s), size, mode, uid, gid, nlink, ino, mtime, and where
they apply target and rdev. A path that is not valid UTF-8 is shown in an
escaped form, and path_hex has its bytes.

A name with control characters is printed as $'...', as bash reads it; -0 prints
names as they are stored. Names are coloured on a terminal, as ls --color does:
by LS_COLORS, unless NO_COLOR is set. Of a damaged directory what can be read is
listed; the exit code is 1 then.`,
		Args: cobra.MinimumNArgs(1),
	}
	a.addFileFlags(cmd)
	out := addOutputFlag(cmd)
	var opts lsOptions
	cmd.Flags().BoolVarP(&opts.long, "long", "l", false, "show mode, links, owner, size and time, as ls -l does")
	cmd.Flags().BoolVarP(&opts.recursive, "recursive", "R", false, "list all that is below, too")
	cmd.Flags().BoolVarP(&opts.all, "all", "a", false, "list names that begin with a dot, too")
	opts.human = addHumanFlag(cmd)
	opts.order.addFlags(cmd)
	cmd.Flags().BoolVarP(&opts.self, "directory", "d", false, "list directories themselves, not what is in them")
	cmd.Flags().BoolVarP(&opts.inode, "inode", "i", false, "show the number of the inode first")
	numeric := cmd.Flags().BoolP("numeric-uid-gid", "n", false, "like -l, with numeric owners")
	cmd.Flags().BoolP("one", "1", false, "one name a line, as always")
	almost := cmd.Flags().BoolP("almost-all", "A", false, "as -a: . and .. are never listed")
	cmd.Flags().BoolVarP(&opts.nul, "zero", "0", false, "end lines with a NUL, with names as they are stored")
	color := addColorFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opts.long = opts.long || *numeric
		opts.all = opts.all || *almost
		f, err := a.openFiles(cmd, args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		l := &lister{files: f, lsOptions: opts, w: bufio.NewWriterSize(a.stdout, 64<<10)}
		if out.json() {
			l.all, l.json = true, json.NewEncoder(l.w)
			l.json.SetEscapeHTML(false)
		} else if !opts.nul {
			l.paint = f.newPainter(*color, opts.long)
		}
		if len(args) == 1 {
			args = append(args, ".")
		}
		for _, arg := range args[1:] {
			follow := !l.long && !l.self && l.json == nil || strings.HasSuffix(arg, "/")
			for _, name := range f.expand(cmd.Context(), arg) {
				if err := l.list(cmd.Context(), name, follow); err != nil {
					return err
				}
			}
		}
		if err := l.w.Flush(); err != nil {
			return err
		}
		return f.failed()
	}
	return cmd
}

type lsOptions struct {
	long, recursive, all, self, inode, nul bool
	human                                  *bool
	order                                  lsOrder
}

// lister prints a listing.
type lister struct {
	*files
	lsOptions
	w    *bufio.Writer
	json *json.Encoder // nil for people

	paint *painter
}

// end is what ends a line.
func (l *lister) end() string {
	if l.nul {
		return "\x00"
	}
	return "\n"
}

// list prints one argument. Only an error that ends the command is returned.
func (l *lister) list(ctx context.Context, name string, follow bool) error {
	stat := l.tree.Lstat
	if follow {
		stat = l.tree.Stat
	}
	info, err := stat(name)
	if err != nil && follow {
		info, err = l.tree.Lstat(name) // a link that leads nowhere is still there
	}
	if err != nil {
		l.fail(l.explain(name, err))
		return nil
	}
	if !info.IsDir() || l.self {
		return l.print(name, name, fs.FileInfoToDirEntry(info))
	}
	l.requireFiles(name)
	return l.walk(ctx, name)
}

// walk prints what is in a directory and, with -R, all below it.
func (l *lister) walk(ctx context.Context, dir string) error {
	opts := &fstree.WalkOptions{Stat: l.long || l.inode || l.json != nil || l.order.any() || l.paint != nil}
	var held []sortedFile
	for e, err := range l.tree.Walk(ctx, dir, opts) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			l.fail(err)
			continue
		}
		if e.Path == dir {
			continue
		}
		e.Skip = !l.recursive
		if !l.all && hidden(e.Name()) {
			e.Skip = true
			continue
		}
		shown := e.Path
		if !l.recursive {
			shown = e.Name()
		}
		if l.order.any() {
			st, err := e.Stat()
			if err != nil {
				l.fail(atPath(e.Path, err))
				continue
			}
			held = append(held, sortedFile{e.Path, shown, st})
			continue
		}
		if err := l.print(e.Path, shown, e); err != nil {
			return err
		}
	}
	l.order.sort(held)
	for _, h := range held {
		if err := l.printStat(h.path, h.shown, h.stat); err != nil {
			return err
		}
	}
	return nil
}

func hidden(name string) bool { return name != "" && name[0] == '.' }

// print prints one file.
func (l *lister) print(name, shown string, d fs.DirEntry) error {
	plain := l.json == nil && !l.long && !l.inode
	if plain && l.paint == nil {
		return l.printName(shown)
	}
	info, err := d.Info()
	if err != nil && plain {
		return l.printName(shown) // its colour is all that is not known
	}
	if err != nil {
		l.fail(atPath(name, err))
		return nil
	}
	return l.printStat(name, shown, info.Sys().(*imagefs.Stat))
}

// printStat prints one file whose inode is known.
func (l *lister) printStat(name, shown string, st *imagefs.Stat) error {
	if l.json == nil {
		if l.inode {
			fmt.Fprintf(l.w, "%7d ", st.Ino)
		}
		if l.long {
			return l.printLong(name, shown, st)
		}
		if l.nul {
			return l.printName(shown)
		}
		_, err := l.w.WriteString(l.paint.name(name, shown, st) + "\n")
		return err
	}
	e, err := l.newEntry(name, st)
	if err != nil {
		l.fail(err)
	}
	return l.json.Encode(e)
}

// printName prints a name of which nothing else is known.
func (l *lister) printName(shown string) error {
	_, err := l.w.WriteString(l.printable(shown, l.nul) + l.end())
	return err
}

func (l *lister) printLong(name, shown string, st *imagefs.Stat) error {
	suffix := ""
	if st.Mode&fs.ModeSymlink != 0 {
		target, err := l.tree.ReadLink(name)
		if err != nil {
			l.fail(err)
		} else {
			suffix = " -> " + l.paint.target(name, target)
			if l.nul {
				suffix = " -> " + target
			}
		}
	}
	mtime := "               -"
	if !st.Mtime.IsZero() {
		mtime = st.Mtime.Local().Format("2006-01-02 15:04")
	}
	size := sizeColumn(st)
	if l.human != nil && *l.human && st.Mode&fs.ModeDevice == 0 {
		size = humanSize(max(st.Size, 0))
	}
	text := l.printable(shown, l.nul)
	if !l.nul {
		text = l.paint.name(name, shown, st)
	}
	_, err := fmt.Fprintf(l.w, "%s %2d %5d %5d %9s %s %s%s%s",
		unixmode.String(st.Mode), st.Nlink, st.UID, st.GID, size, mtime, text, suffix, l.end())
	return err
}

// showTarget is a link's target as people see it, escaped like a path.
func showTarget(target string) string {
	shown, _ := jsonTarget(target)
	return show.Name(shown)
}
