package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

func newTree(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tree [flags] IMAGE [PATH]",
		Short: "Draw the files inside the image as a tree",
		Long: `Draw a directory and what is below it as tree(1) does, with the number of
directories and files at the end. Without PATH it begins at the volumes.`,
		Args: cobra.RangeArgs(1, 2),
	}
	a.addFileFlags(cmd)
	var t drawing
	cmd.Flags().BoolVarP(&t.all, "all", "a", false, "draw names that begin with a dot, too")
	cmd.Flags().BoolVarP(&t.dirsOnly, "dirs-only", "d", false, "draw directories only")
	cmd.Flags().IntVarP(&t.depth, "level", "L", 0, "descend at most this many `levels`")
	color := addColorFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := a.openFiles(cmd, args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		t.files, t.ctx, t.w = f, cmd.Context(), bufio.NewWriter(a.stdout)
		t.paint = f.newPainter(*color, true)
		root := f.literal(".")
		if len(args) > 1 {
			if root, err = f.path(cmd.Context(), args[1]); err != nil {
				return err
			}
		}
		if err := t.draw(root); err != nil {
			return err
		}
		return f.failed()
	}
	return cmd
}

// drawing is a tree that is being drawn.
type drawing struct {
	*files
	ctx           context.Context
	w             *bufio.Writer
	all, dirsOnly bool
	depth         int // levels, 0 for all
	nDirs, nFiles int
	paint         *painter
}

// draw draws everything. Only an error that ends the command is returned.
func (t *drawing) draw(root string) error {
	info, err := t.tree.Stat(root)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "tree", Path: root, Err: errors.New("not a directory")}
	}
	if err != nil {
		return t.explain(root, err)
	}
	t.requireFiles(root)
	fmt.Fprintln(t.w, show.Name(root))
	t.nDirs++
	if err := t.children(root, "", 1); err != nil {
		return err
	}
	fmt.Fprint(t.w, "\n", english.Plural(t.nDirs, "directory", ""))
	if !t.dirsOnly {
		fmt.Fprint(t.w, ", ", english.Plural(t.nFiles, "file", ""))
	}
	fmt.Fprintln(t.w)
	return t.w.Flush()
}

// children draws what is in a directory, each line after what the
// directories above have begun.
func (t *drawing) children(dir, indent string, level int) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	list, err := t.tree.ReadDir(dir)
	if err != nil {
		t.fail(err)
	}
	list = slices.DeleteFunc(list, func(d fs.DirEntry) bool {
		return !t.all && hidden(d.Name()) || t.dirsOnly && !d.IsDir()
	})
	for i, d := range list {
		branch, below := "├── ", "│   "
		if i == len(list)-1 {
			branch, below = "└── ", "    "
		}
		name := d.Name()
		if dir != "." {
			name = dir + "/" + name
		}
		fmt.Fprintf(t.w, "%s%s%s%s\n", indent, branch, t.name(name, d), t.target(name, d))
		if !d.IsDir() {
			t.nFiles++
			continue
		}
		t.nDirs++
		if t.depth > 0 && level >= t.depth {
			continue
		}
		if err := t.children(name, indent+below, level+1); err != nil {
			return err
		}
	}
	return nil
}

// name is the name of an entry. Without colours no inode is read for it.
func (t *drawing) name(at string, d fs.DirEntry) string {
	if t.paint == nil {
		return show.Name(d.Name())
	}
	info, err := d.Info()
	if err != nil {
		return show.Name(d.Name())
	}
	return t.paint.name(at, d.Name(), info.Sys().(*imagefs.Stat))
}

// target is what follows the name of a symbolic link.
func (t *drawing) target(name string, d fs.DirEntry) string {
	if d.Type() != fs.ModeSymlink {
		return ""
	}
	target, err := t.tree.ReadLink(name)
	if err != nil {
		t.fail(err)
		return " -> ?"
	}
	return " -> " + t.paint.target(name, target)
}
