package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
	"github.com/qedfs/qedfs/examples/qed/internal/unixmode"
)

func newStat(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stat [flags] IMAGE PATH...",
		Short: "Show all that a filesystem says of files",
		Long: `Show all that a filesystem says of files: type, size, owner, links, times, how
the contents are stored, and extended attributes. A symbolic link is shown
itself.

--output json prints one object a line, with the keys of ls and blocks (of 512
bytes), extents (runs of the contents that are not holes), atime, ctime and
btime where the filesystem keeps them, and xattrs, whose values are base64.`,
		Args: cobra.MinimumNArgs(2),
	}
	a.addFileFlags(cmd)
	out := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := a.openFiles(cmd, args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		w := bufio.NewWriter(a.stdout)
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		for _, name := range f.paths(cmd.Context(), args[1:]) {
			s, err := f.stat(name)
			switch {
			case err != nil:
				f.fail(f.explain(name, err))
			case out.json():
				if err := enc.Encode(s); err != nil {
					return err
				}
			default:
				s.print(w, name)
			}
			if err := w.Flush(); err != nil {
				return err
			}
		}
		return f.failed()
	}
	return cmd
}

// status is everything about one file.
type status struct {
	*entry
	Blocks  int64             `json:"blocks"`
	Extents *int              `json:"extents,omitempty"` // of a regular file
	Atime   string            `json:"atime,omitempty"`
	Ctime   string            `json:"ctime,omitempty"`
	Btime   string            `json:"btime,omitempty"`
	Xattrs  map[string][]byte `json:"xattrs"`

	mode fs.FileMode
}

// stat describes a file. What of it cannot be read is reported, and left out.
func (f *files) stat(name string) (*status, error) {
	info, err := f.tree.Lstat(name)
	if err != nil {
		return nil, err
	}
	st := info.Sys().(*imagefs.Stat)
	s := &status{
		Blocks: st.Blocks,
		Atime:  timestamp(st.Atime),
		Ctime:  timestamp(st.Ctime),
		Btime:  timestamp(st.Btime),
		mode:   st.Mode,
	}
	if s.entry, err = f.newEntry(name, st); err != nil {
		f.fail(err)
	}
	if s.Xattrs, err = st.Xattrs(); err != nil {
		f.fail(atPath(name, err))
	}
	if st.Mode.IsRegular() {
		n, err := f.countExtents(name)
		if err != nil {
			f.fail(atPath(name, err))
		} else {
			s.Extents = &n
		}
	}
	return s, nil
}

// countExtents counts the runs of a file's contents that are stored.
func (f *files) countExtents(name string) (n int, err error) {
	file, err := f.tree.Open(name)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	content := file.(fstree.File)
	for x, err := range content.Extents(0, 1<<63-1) {
		if err != nil {
			return n, err
		}
		if !x.Hole {
			n++
		}
	}
	return n, nil
}

// print prints a file for people.
func (s *status) print(w io.Writer, name string) {
	fmt.Fprintf(w, "    File: %s", show.Name(name))
	if s.mode&fs.ModeSymlink != 0 {
		fmt.Fprintf(w, " -> %s", show.Name(s.Target))
	}
	fmt.Fprintf(w, "\n    Type: %s\n    Size: %d bytes, %d blocks of 512", typeName(s.mode), s.Size, s.Blocks)
	if s.Extents != nil {
		fmt.Fprintf(w, ", extents: %d", *s.Extents)
	}
	if s.Rdev != "" {
		fmt.Fprintf(w, "\n  Device: %s", s.Rdev)
	}
	fmt.Fprintf(w, "\n    Mode: %s %s\n   Owner: %d:%d\n   Inode: %d, links: %d\n",
		s.Mode, unixmode.String(s.mode), s.UID, s.GID, s.Ino, s.Nlink)
	for _, t := range [...]struct{ label, value string }{
		{"Modified", s.Mtime}, {"Accessed", s.Atime}, {" Changed", s.Ctime}, {"    Born", s.Btime},
	} {
		if t.value != "" {
			fmt.Fprintf(w, "%s: %s\n", t.label, localTime(t.value))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(s.Xattrs)) {
		fmt.Fprintf(w, "   Xattr: %s=%s\n", show.Name(k), strconv.Quote(string(s.Xattrs[k])))
	}
}

// localTime is a timestamp as people read it.
func localTime(stamp string) string {
	t, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return stamp
	}
	return t.Local().Format("2006-01-02 15:04:05.000000000 -0700")
}

// typeName is a file's type in the words of stat(1).
func typeName(m fs.FileMode) string {
	switch unixmode.Letter(m) {
	case "f":
		return "regular file"
	case "d":
		return "directory"
	case "l":
		return "symbolic link"
	case "c":
		return "character device"
	case "b":
		return "block device"
	case "p":
		return "fifo"
	case "s":
		return "socket"
	}
	return "unknown"
}
