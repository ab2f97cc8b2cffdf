package fstreetest

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"golang.org/x/sys/unix"
)

// record asks the kernel about one file.
func record(root, name string) (Record, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	if err != nil {
		return Record{}, err
	}
	r := Record{
		Path: escapedPath(root, name), Mode: uint32(st.Mode), Ino: st.Ino, Nlink: uint64(st.Nlink),
		UID: st.Uid, GID: st.Gid, Size: int64(st.Size), Blocks: int64(st.Blocks),
		Major: st.Rdev_major, Minor: st.Rdev_minor,
		Mtime: timeOf(st.Mtime), Atime: timeOf(st.Atime), Ctime: timeOf(st.Ctime),
	}
	if st.Mask&unix.STATX_BTIME != 0 {
		r.Btime = timeOf(st.Btime)
	}
	if r.Xattrs, err = xattrs(name); err != nil {
		return r, err
	}
	switch r.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		var target string
		target, err = os.Readlink(name)
		r.Target = []byte(target)
	case unix.S_IFREG:
		if err = r.readContents(name); errors.Is(err, unix.ENOKEY) {
			r.Locked, err = true, nil
		}
	}
	return r, err
}

func escapedPath(root, name string) string {
	rel, _ := filepath.Rel(root, name)
	if rel == "." {
		return rel
	}
	elems := strings.Split(rel, "/")
	for i := range elems {
		elems[i] = fstree.EscapeName(elems[i])
	}
	return strings.Join(elems, "/")
}

func timeOf(t unix.StatxTimestamp) *time.Time {
	u := time.Unix(t.Sec, int64(t.Nsec)).UTC()
	return &u
}

func (r *Record) readContents(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	// An unwritten extent counts as data while its pages are cached, as they
	// are when another link of the file has been read.
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	if r.Data, err = dataRuns(f, r.Size); err != nil {
		return err
	}
	r.SHA256, err = hashWindows(f, r.Size, r.Data)
	return err
}

func dataRuns(f *os.File, size int64) ([][2]int64, error) {
	var runs [][2]int64
	for at := int64(0); at < size; {
		start, err := f.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			return nil, err
		}
		end, err := f.Seek(start, unix.SEEK_HOLE)
		if err != nil {
			return nil, err
		}
		runs = append(runs, [2]int64{start, end})
		at = end
	}
	_, err := f.Seek(0, io.SeekStart)
	return runs, err
}

func xattrs(name string) (map[string][]byte, error) {
	list := make([]byte, 64<<10)
	n, err := unix.Llistxattr(name, list)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for _, key := range strings.Split(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		if key == "" {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(name, key, value)
		if err != nil {
			return nil, err
		}
		all[key] = value[:n]
	}
	if len(all) == 0 {
		return nil, nil
	}
	return all, nil
}
