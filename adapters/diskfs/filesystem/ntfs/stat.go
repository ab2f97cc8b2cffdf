package ntfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Reparse tags that stand for a kind of file.
const (
	tagJunction  = 0xA0000003
	tagSymlink   = 0xA000000C
	tagLXSymlink = 0xA000001D
	tagLXSocket  = 0x80000023
	tagLXFifo    = 0x80000024
	tagLXChar    = 0x80000025
	tagLXBlock   = 0x80000026
	tagApp       = 0x8000001B // an alias of an application, whose file is empty

	maxReparse = 16 << 10 // bytes of a reparse point
	maxTarget  = 64 << 10 // bytes of a link's target that Interix stored
)

// Interix marks special files by the beginning of their data.
const (
	interixLink  = "IntxLNK\x01"
	interixChar  = "IntxCHR\x00"
	interixBlock = "IntxBLK\x00"
)

// node is what a file is, besides its contents.
type node struct {
	*file
	std    []byte      // standard information
	mode   fs.FileMode // type bits
	target string      // of a link
	major  uint32
	minor  uint32
	flags  uint32
	tag    uint32 // of a reparse point
	point  []byte // its data
}

// node finds out what a file is: a directory or a regular file, unless a
// reparse point or Interix say otherwise.
func (v *volume) node(ref uint64) (*node, error) {
	f, err := v.file(ref)
	if err != nil {
		return nil, err
	}
	n := &node{file: f}
	if f.records[0].isDirectory() {
		n.mode = fs.ModeDir
	}
	if n.std, err = f.value(attrStandard, "", maxRecord); err != nil || len(n.std) < 36 {
		return nil, damaged(recordName(f.records[0].number), -1, "no standard information: %v", err)
	}
	n.flags = le.Uint32(n.std[32:])
	switch {
	case n.flags&fileReparse != 0:
		err = n.reparse()
	case n.flags&fileSystem != 0 && n.mode == 0:
		err = n.interix()
	}
	return n, err
}

func (n *node) reparse() error {
	b, err := n.value(attrReparse, "", maxReparse)
	if errors.Is(err, errNoAttribute) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(b) < 8 || 8+int(le.Uint16(b[4:])) > len(b) {
		return damaged(recordName(n.records[0].number), -1, "a reparse point of %d bytes", len(b))
	}
	n.tag = le.Uint32(b)
	data := b[8 : 8+int(le.Uint16(b[4:]))]
	n.point = data
	switch n.tag {
	case tagSymlink, tagJunction:
		n.mode = fs.ModeSymlink
		n.target, err = windowsTarget(n.tag, data)
	case tagLXSymlink:
		n.mode = fs.ModeSymlink
		if len(data) >= 4 {
			n.target = string(data[4:])
		}
	case tagLXSocket:
		n.mode = fs.ModeSocket
	case tagLXFifo:
		n.mode = fs.ModeNamedPipe
	case tagLXChar:
		n.mode = fs.ModeDevice | fs.ModeCharDevice
	case tagLXBlock:
		n.mode = fs.ModeDevice
	}
	return err
}

// windowsTarget turns the target of a symbolic link or a junction into a path
// on this volume.
func windowsTarget(tag uint32, data []byte) (string, error) {
	header := 8
	if tag == tagSymlink {
		header = 12 // flags follow
	}
	if len(data) < header {
		return "", damaged("reparse point", -1, "%d bytes", len(data))
	}
	off, n := header+int(le.Uint16(data)), int(le.Uint16(data[2:]))
	if off+n > len(data) {
		return "", damaged("reparse point", -1, "a target of %d bytes at %d", n, off)
	}
	target := decodeUTF16(data[off : off+n])
	target = strings.TrimPrefix(target, `\??\`)
	if len(target) >= 2 && target[1] == ':' {
		target = target[2:]
	}
	return strings.ReplaceAll(target, `\`, "/"), nil
}

// interix looks at a file with the system attribute: see ntfs_getattr in
// ntfs-3g.
func (n *node) interix() error {
	s, err := n.stream(attrData, "")
	if errors.Is(err, errNoAttribute) {
		return nil
	}
	if err != nil {
		return err
	}
	if n.flags&fileHidden == 0 && s.size < 2 {
		n.mode = []fs.FileMode{fs.ModeNamedPipe, fs.ModeSocket}[s.size]
		return nil
	}
	if s.size <= 8 || s.size > maxTarget {
		return nil
	}
	b, err := s.whole(maxTarget)
	if err != nil {
		return err
	}
	switch {
	case bytes.HasPrefix(b, []byte(interixLink)):
		n.mode, n.target = fs.ModeSymlink, decodeUTF16(b[8:])
	case len(b) == 24 && bytes.HasPrefix(b, []byte(interixChar)):
		n.mode = fs.ModeDevice | fs.ModeCharDevice
	case len(b) == 24 && bytes.HasPrefix(b, []byte(interixBlock)):
		n.mode = fs.ModeDevice
	}
	if n.mode&fs.ModeDevice != 0 {
		n.major, n.minor = uint32(le.Uint64(b[8:])), uint32(le.Uint64(b[16:]))
	}
	return nil
}

// Stat returns what the file's record says. There are no owners, and all may
// do everything, as ntfs-3g has it without a mapping of users.
func (v *volume) Stat(id fstree.ID) (fstree.Stat, error) {
	n, err := v.node(id.Ino)
	if err != nil {
		return fstree.Stat{}, err
	}
	st := fstree.Stat{
		Ino: id.Ino & refNumber, Mode: n.mode | 0o777, Nlink: n.links(), Major: n.major, Minor: n.minor,
		Btime: parseTime(n.std), Mtime: parseTime(n.std[8:]), Ctime: parseTime(n.std[16:]), Atime: parseTime(n.std[24:]),
	}
	if n.mode == fs.ModeDir {
		err = n.sizes(attrIndexAlloc, indexName, &st)
	} else {
		err = n.sizes(attrData, "", &st)
	}
	if n.tag == tagWOF && err == nil {
		var packed fstree.Stat
		err = n.sizes(attrData, streamWOF, &packed)
		st.Blocks += packed.Blocks
	}
	if n.mode == fs.ModeSymlink {
		st.Size = int64(len(n.target))
	}
	return st, err
}

// sizes takes size and blocks from the first piece of an attribute; whether
// its contents can be read does not matter. A small directory is all in its
// root, and has size 0, as in ntfs-3g.
func (n *node) sizes(kind uint32, name string, st *fstree.Stat) error {
	return n.attributes(func(a attribute) bool {
		if a.kind != kind || a.name != name || a.lowestVCN != 0 {
			return true
		}
		st.Size, st.Blocks = a.size, (a.stored()+511)/512
		return false
	})
}

// links counts the names; a short name beside a long one is no link of its
// own. A directory counts as one, as in ntfs-3g.
func (n *node) links() uint64 {
	links := uint64(0)
	_ = n.attributes(func(a attribute) bool {
		if a.kind == attrName && a.resident && len(a.value) >= nameHeader && a.value[65] != spaceDOS {
			links++
		}
		return true
	})
	if n.mode == fs.ModeDir {
		return 1
	}
	return links
}

// parseTime reads a time: units of 100 ns since 1601.
func parseTime(b []byte) time.Time {
	const unit, toUnix = 1e7, 11644473600 // units a second, seconds from 1601 to 1970
	t := int64(binary.LittleEndian.Uint64(b))
	sec, rest := t/unit, t%unit
	if rest < 0 {
		sec, rest = sec-1, rest+unit
	}
	return time.Unix(sec-toUnix, rest*100)
}

// Readlink returns a link's target.
func (v *volume) Readlink(id fstree.ID) (string, error) {
	n, err := v.node(id.Ino)
	if err != nil {
		return "", err
	}
	return n.target, nil
}

// Open returns a file's contents.
func (v *volume) Open(id fstree.ID) (fstree.Content, error) {
	n, err := v.node(id.Ino)
	if err != nil {
		return nil, err
	}
	s, err := n.stream(attrData, "")
	if errors.Is(err, errNoAttribute) {
		return &stream{v: v, resident: []byte{}}, nil
	}
	if err != nil {
		return nil, err
	}
	if n.tag == tagWOF && s.size > 0 {
		return n.openWOF(s.size)
	}
	if n.tag != 0 && n.tag != tagApp && s.size > 0 {
		return nil, fmt.Errorf("ntfs: %w: %s", fstree.ErrUnsupported, tagName(n.tag))
	}
	return s, nil
}

// tagName names the reparse points whose contents lie elsewhere.
func tagName(tag uint32) string {
	switch {
	case tag == 0x80000013:
		return "deduplicated contents"
	case tag&0xFFFF0FFF == 0x9000001A:
		return "a file kept in the cloud"
	}
	return fmt.Sprintf("contents of a reparse point with tag %#x", tag)
}
