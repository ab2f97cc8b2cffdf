package main

import (
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/examples/qed/internal/unixmode"
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
func (f *files) newEntry(name string, st *imagefs.Stat) (*entry, error) {
	e := &entry{
		Type:  unixmode.Letter(st.Mode),
		Size:  st.Size,
		Mode:  octalMode(st.Mode),
		UID:   st.UID,
		GID:   st.GID,
		Nlink: st.Nlink,
		Ino:   st.Ino,
		Mtime: timestamp(st.Mtime),
	}
	e.Path, e.PathHex = jsonPath(name)
	switch {
	case st.Mode&fs.ModeDevice != 0:
		e.Rdev = fmt.Sprintf("%d:%d", st.Major, st.Minor)
	case st.Mode&fs.ModeSymlink != 0:
		target, err := f.tree.ReadLink(name)
		if err != nil {
			return e, err
		}
		e.Target, e.TargetHex = jsonTarget(target)
	}
	return e, nil
}

// octalMode is the permission bits as chmod takes them.
func octalMode(m fs.FileMode) string { return fmt.Sprintf("%04o", fstree.UnixBits(m)&0o7777) }

// timestamp is RFC 3339 in UTC with all nine digits of the nanoseconds, or
// nothing where the filesystem keeps no such time.
func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000000Z07:00")
}

// sizeColumn is what ls -l has in place of the size for a device.
func sizeColumn(st *imagefs.Stat) string {
	if st.Mode&fs.ModeDevice != 0 {
		return fmt.Sprintf("%d, %d", st.Major, st.Minor)
	}
	return strconv.FormatInt(st.Size, 10)
}
