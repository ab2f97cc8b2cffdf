package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/examples/qed/internal/unixmode"
)

func newDu(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "du [flags] IMAGE [PATH]...",
		Short: "Show how much space files inside the image take",
		Long: `Show how much space each directory takes with all below it, as du does: what is
allocated, in units of 1024 bytes, files with several names once. Without PATH
it begins at the volumes.

--output json prints one object a line, path and bytes.`,
		Args: cobra.MinimumNArgs(1),
	}
	a.addFileFlags(cmd)
	out := addOutputFlag(cmd)
	human := addHumanFlag(cmd)
	var c counting
	cmd.Flags().BoolVarP(&c.summary, "summarize", "s", false, "show each PATH alone, not the directories below")
	cmd.Flags().BoolVarP(&c.nul, "null", "0", false, "end lines with a NUL, with paths as they are stored")
	asked := addProgressFlag(cmd)
	depth := cmd.Flags().IntP("max-depth", "d", 0, "show at most this many `levels` below each PATH")
	cmd.Flags().BoolVarP(&c.all, "all", "a", false, "show files, too")
	cmd.Flags().BoolVar(&c.apparent, "apparent-size", false, "count the lengths of files and links, not what is allocated")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("max-depth") {
			if *depth < 0 {
				return usageError(cmd, fmt.Errorf("--max-depth %d: no number of levels", *depth))
			}
			c.depth = depth
		}
		f, err := a.openFiles(cmd, args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		c.files, c.w, c.format = f, bufio.NewWriter(a.stdout), sizeFormat(*human)
		c.seen = make(map[fstree.FileID]bool)
		if out.json() {
			c.json = json.NewEncoder(c.w)
			c.json.SetEscapeHTML(false)
		}
		c.progress = a.newCounter("du", *asked)
		defer c.progress.finish()
		for _, name := range f.paths(cmd.Context(), args[1:]) {
			if err := c.count(cmd.Context(), name); err != nil {
				return err
			}
		}
		c.progress.finish()
		if err := c.w.Flush(); err != nil {
			return err
		}
		return f.failed()
	}
	return cmd
}

// counting is a run of du.
type counting struct {
	*files
	w                      *bufio.Writer
	json                   *json.Encoder
	format                 func(int64) string
	summary, all, apparent bool
	nul                    bool
	progress               *progress
	met                    int64                  // files
	depth                  *int                   // levels that are shown; nil for all
	seen                   map[fstree.FileID]bool // files with several names
	open                   []directory            // that the walk is in, the innermost last
	dir                    string                 // path of the innermost one
}

// directory is what has been counted below one so far. Its path is the begin
// of that of the innermost: in a deep tree all of them would take too much.
type directory struct {
	end   int // of the path, 0 for "."
	bytes int64
}

// add stops at the largest number: sizes are claims of the image.
func (d *directory) add(n int64) {
	if d.bytes > math.MaxInt64-n {
		n = math.MaxInt64 - d.bytes
	}
	d.bytes += n
}

// count counts one argument. Only an error that ends the command is returned.
func (c *counting) count(ctx context.Context, root string) error {
	info, err := c.tree.Lstat(root)
	if err != nil {
		c.fail(c.explain(root, err))
		return nil
	}
	if !info.IsDir() { // a walk would follow a link
		return c.print(root, c.size(info.Sys().(*imagefs.Stat)))
	}
	c.requireFiles(root)
	for e, err := range c.tree.Walk(ctx, root, &fstree.WalkOptions{Stat: true}) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			c.fail(err)
			continue
		}
		c.met++
		c.progress.count(c.met)
		if err := c.leave(e.Path); err != nil {
			return err
		}
		if err := c.add(e, root); err != nil {
			return err
		}
	}
	return c.leave("")
}

// add counts one file.
func (c *counting) add(e *fstree.WalkEntry, root string) error {
	st, err := e.Stat()
	if err != nil {
		c.fail(atPath(e.Path, err))
		st = &imagefs.Stat{} // what is below counts nevertheless
	}
	size := c.size(st)
	if st.Nlink > 1 && !e.IsDir() {
		key := e.FileID()
		if c.seen[key] {
			return nil
		}
		c.seen[key] = true
	}
	if e.IsDir() {
		c.dir = e.Path
		d := directory{len(e.Path), size}
		if e.Path == "." || e.Path == "/" {
			d.end = 0
		}
		c.open = append(c.open, d)
		return nil
	}
	c.open[len(c.open)-1].add(size)
	if c.all && c.shows(len(c.open)) {
		return c.print(e.Path, size)
	}
	return nil
}

// leave ends the directories that a path does not lie in.
func (c *counting) leave(path string) error {
	for len(c.open) > 0 {
		last := len(c.open) - 1
		d := c.open[last]
		name := c.dir[:d.end]
		below, ok := strings.CutPrefix(path, name)
		if path != "" && ok && (d.end == 0 || strings.HasPrefix(below, "/")) {
			return nil
		}
		c.open = c.open[:last]
		if last > 0 {
			c.open[last-1].add(d.bytes)
		}
		if c.shows(last) {
			if d.end == 0 {
				name = "."
				if isGuest(c.dir) {
					name = "/"
				}
			}
			if err := c.print(name, d.bytes); err != nil {
				return err
			}
		}
	}
	return nil
}

// shows reports whether what lies so many levels below an argument has a line.
func (c *counting) shows(level int) bool {
	return level == 0 || !c.summary && (c.depth == nil || level <= *c.depth)
}

func (c *counting) size(st *imagefs.Stat) int64 {
	switch {
	case !c.apparent:
		return min(max(st.Blocks, 0), math.MaxInt64/512) * 512
	case st.Mode.IsRegular(), unixmode.Letter(st.Mode) == "l":
		return max(st.Size, 0)
	}
	return 0
}

func (c *counting) print(path string, bytes int64) error {
	if c.json != nil {
		var line struct {
			Path    string `json:"path"`
			PathHex string `json:"path_hex,omitempty"`
			Bytes   int64  `json:"bytes"`
		}
		line.Path, line.PathHex = jsonPath(path)
		line.Bytes = bytes
		return c.json.Encode(line)
	}
	end := "\n"
	if c.nul {
		end = "\x00"
	}
	_, err := fmt.Fprintf(c.w, "%s\t%s%s", c.format(bytes), c.printable(path, c.nul), end)
	return err
}
