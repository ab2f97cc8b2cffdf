package archive

import (
	"archive/tar"
	"io/fs"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// FileInfoHeader returns the header of a file for [tar.Writer], for programs
// that write archives of their own. [tar.FileInfoHeader] does not know
// [fstree.Stat]: it would give every file to root, and a setgid file of group
// shadow would become one of group root.
//
// The name is the base name of info, as there; the target is that of a symbolic
// link. Owners are numbers, times have all their digits, and extended
// attributes are among the PAX records. Files with several names have no
// marks of that: [Write] knows them.
func FileInfoHeader(info fs.FileInfo, target string) (*tar.Header, error) {
	st, ok := info.Sys().(*fstree.Stat)
	if !ok {
		return tar.FileInfoHeader(info, target)
	}
	flag, err := typeFlag(st.Mode)
	if err != nil {
		return nil, err
	}
	h := &tar.Header{
		Typeflag: flag,
		Name:     fstree.OutwardPath(info.Name()),
		Mode:     int64(fstree.UnixBits(st.Mode) & 0o7777),
		Uid:      int(st.UID),
		Gid:      int(st.GID),
		ModTime:  st.Mtime,
		Devmajor: int64(st.Major),
		Devminor: int64(st.Minor),
		Format:   tar.FormatPAX,
	}
	switch flag {
	case typeFile:
		h.Size = st.Size
	case typeDir:
		h.Name += "/"
	case typeSymlink:
		h.Linkname = target
	}
	xattrs, err := st.Xattrs()
	if err != nil {
		return nil, err
	}
	for name, value := range xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = make(map[string]string)
		}
		h.PAXRecords["SCHILY.xattr."+name] = string(value)
	}
	return h, nil
}
