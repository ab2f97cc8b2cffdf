package main

import (
	"fmt"
	"io/fs"
	"strconv"
	"time"

	qeddiskfs "github.com/qedfs/qedfs/adapters/diskfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// entry is what programs are told of a file: the JSON object of ls, and the
// first part of that of stat.
type entry struct {
	Path      string `json:"path"`
	PathHex   string `json:"path_hex,omitempty"`
	Type      string `json:"type"`
	Size      int64  `json:"size"`
	Mode      string `json:"mode"`
	UID       uint32 `json:"uid"`
	GID       uint32 `json:"gid"`
	Nlink     uint64 `json:"nlink"`
	Ino       uint64 `json:"ino"`
	Mtime     string `json:"mtime,omitempty"`
	Target    string `json:"target,omitempty"`
	TargetHex string `json:"target_hex,omitempty"`
	Rdev      string `json:"rdev,omitempty"`
}

// newEntry describes the file of a path of the tree. The target of a symbolic
// link that cannot be read is left out, and the error returned with the rest.
func (f *files) newEntry(name string, st *qeddiskfs.Stat) (*entry, error) {
	e := &entry{
		Type:  typeLetter(st.Mode),
		Size:  st.Size,
		Mode:  octalMode(st.Mode),
		UID:   st.UID,
		GID:   st.GID,
		Nlink: st.Nlink,
		Ino:   st.Ino,
		Mtime: timestamp(st.Mtime),
	}
	e.Path, e.PathHex = storedPath(name)
	switch {
	case st.Mode&fs.ModeDevice != 0:
		e.Rdev = fmt.Sprintf("%d:%d", st.Major, st.Minor)
	case st.Mode&fs.ModeSymlink != 0:
		target, err := f.tree.ReadLink(name)
		if err != nil {
			return e, err
		}
		e.Target, e.TargetHex = storedTarget(target)
	}
	return e, nil
}

// typeLetter is a file's type as find's -type has it.
func typeLetter(m fs.FileMode) string {
	switch m.Type() {
	case 0:
		return "f"
	case fs.ModeDir:
		return "d"
	case fs.ModeSymlink:
		return "l"
	case fs.ModeDevice | fs.ModeCharDevice:
		return "c"
	case fs.ModeDevice:
		return "b"
	case fs.ModeNamedPipe:
		return "p"
	case fs.ModeSocket:
		return "s"
	}
	return "?"
}

// octalMode is the permission bits as chmod takes them.
func octalMode(m fs.FileMode) string { return fmt.Sprintf("%04o", fstree.UnixBits(m)&0o7777) }

// modeString is the first column of ls -l.
func modeString(m fs.FileMode) string {
	b := []byte("?rwxrwxrwx")
	if t := typeLetter(m); t == "f" {
		b[0] = '-'
	} else {
		b[0] = t[0]
	}
	for i := range 9 {
		if m&(1<<(8-i)) == 0 {
			b[1+i] = '-'
		}
	}
	special := func(bit fs.FileMode, at int, executable, plain byte) {
		if m&bit == 0 {
			return
		}
		if b[at] == 'x' {
			b[at] = executable
		} else {
			b[at] = plain
		}
	}
	special(fs.ModeSetuid, 3, 's', 'S')
	special(fs.ModeSetgid, 6, 's', 'S')
	special(fs.ModeSticky, 9, 't', 'T')
	return string(b)
}

// timestamp is RFC 3339 in UTC with all nine digits of the nanoseconds, or
// nothing where the filesystem keeps no such time.
func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000000Z07:00")
}

// sizeColumn is what ls -l has in place of the size for a device.
func sizeColumn(st *qeddiskfs.Stat) string {
	if st.Mode&fs.ModeDevice != 0 {
		return fmt.Sprintf("%d, %d", st.Major, st.Minor)
	}
	return strconv.FormatInt(st.Size, 10)
}
