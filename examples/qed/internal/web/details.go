package web

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/examples/qed/internal/unixmode"
)

const (
	maxExtents = 1000 // rows
	maxXattr   = 1024 // bytes of a value
)

// detailsPage is what a filesystem says of a file, and what is in it.
type detailsPage struct {
	Facts   []fact
	Target  string // of a symbolic link
	Follow  string // address of what it leads to
	Xattrs  []xattr
	Extents []extentRow
	More    bool // there are further extents
	Preview *preview
}

type xattr struct{ Name, Value, Note string }

type extentRow struct {
	Start, Length, Where string
	Hole                 bool
}

// details shows all that is known of a file. A symbolic link is shown itself.
func (s *server) details(w http.ResponseWriter, r *http.Request, p place) {
	info, err := p.tree.Lstat(p.path)
	if err != nil {
		s.fail(w, p, err)
		return
	}
	st := info.Sys().(*fstree.Stat)
	v := s.page(p)
	v.Actions = actions(p, "details", info.IsDir())
	b := &detailsPage{Facts: facts(st)}
	v.Body = b
	trouble := func(err error) {
		if err != nil {
			v.Problems = append(v.Problems, s.wrong(p, err))
		}
	}
	switch info.Mode().Type() {
	case fs.ModeSymlink:
		b.Target, err = p.tree.ReadLink(p.path)
		b.Follow = p.link("files")
		trouble(err)
	case 0:
		v.Actions = append(v.Actions, action{"Text", p.link("files") + "?view", false}, action{"Download", p.link("files"), false})
		err := s.contents(b, p, r, trouble)
		if err == errNoWay || err == errNoPart {
			s.fail(w, p, err)
			return
		}
		trouble(err)
	}
	all, err := st.Xattrs()
	trouble(err)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b.Xattrs = append(b.Xattrs, newXattr(name, all[name]))
	}
	s.render(w, http.StatusOK, "details", v)
}

// contents describes how a file is stored and what is in it.
func (s *server) contents(b *detailsPage, p place, r *http.Request, trouble func(error)) error {
	f, err := p.tree.Open(p.path)
	if err != nil {
		return err
	}
	defer f.Close()
	file, ok := f.(fstree.File)
	if !ok {
		return fstree.ErrIsDir
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	for x, err := range file.Extents(0, 1<<63-1) {
		if err != nil {
			trouble(err)
			break
		}
		if len(b.Extents) == maxExtents {
			b.More = true
			break
		}
		row := extentRow{Start: humanize.Comma(x.Start), Length: humanize.Comma(x.Length), Hole: x.Hole}
		if x.Offset >= 0 {
			row.Where = humanize.Comma(x.Offset)
		}
		b.Extents = append(b.Extents, row)
	}
	b.Preview, err = newPreview(p, file, info.Size(), r.URL.Query())
	return err
}

// facts are the fields of an inode.
func facts(st *fstree.Stat) []fact {
	list := []fact{
		{"Type", typeName(st.Mode)},
		{"Size", humanize.Comma(st.Size) + " bytes"},
		{"Allocated", humanize.Comma(st.Blocks) + " blocks of 512 bytes"},
		{"Mode", fmt.Sprintf("%04o %s", fstree.UnixBits(st.Mode)&0o7777, unixmode.String(st.Mode))},
		{"Owner", fmt.Sprintf("%d:%d", st.UID, st.GID)},
		{"Inode", strconv.FormatUint(st.Ino, 10)},
		{"Links", strconv.FormatUint(st.Nlink, 10)},
	}
	if st.Mode&fs.ModeDevice != 0 {
		list = append(list, fact{"Device", fmt.Sprintf("%d:%d", st.Major, st.Minor)})
	}
	for _, t := range []struct {
		label string
		time  time.Time
	}{{"Modified", st.Mtime}, {"Accessed", st.Atime}, {"Changed", st.Ctime}, {"Born", st.Btime}} {
		if !t.time.IsZero() {
			list = append(list, fact{t.label, t.time.Local().Format("2006-01-02 15:04:05.000000000 -0700")})
		}
	}
	return list
}

// typeName is a file's type in the words of stat(1).
func typeName(m fs.FileMode) string {
	switch m.Type() {
	case 0:
		return "regular file"
	case fs.ModeDir:
		return "directory"
	case fs.ModeSymlink:
		return "symbolic link"
	case fs.ModeDevice | fs.ModeCharDevice:
		return "character device"
	case fs.ModeDevice:
		return "block device"
	case fs.ModeNamedPipe:
		return "fifo"
	case fs.ModeSocket:
		return "socket"
	}
	return "unknown"
}

// newXattr shows an attribute, one that is no text in hexadecimal digits.
func newXattr(name string, value []byte) xattr {
	x := xattr{Name: name}
	if len(value) > maxXattr {
		x.Note = fmt.Sprintf("the first %d of %s bytes", maxXattr, humanize.Comma(int64(len(value))))
		value = value[:maxXattr]
	}
	if x.Value = string(value); !isText(http.DetectContentType(value)) {
		x.Value = "0x" + hex.EncodeToString(value)
	}
	return x
}
