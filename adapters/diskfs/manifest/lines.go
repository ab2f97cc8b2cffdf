package manifest

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// SumLine is the line of a file in a list that sha256sum and its like check. Where
// the name has a backslash or a character that ends lines they are escaped, and
// the line begins with a backslash (coreutils, src/digest.c).
func SumLine(name string, sum []byte) string {
	mark, name := escapeName(fstree.OutwardPath(name))
	return mark + hex.EncodeToString(sum) + "  " + name
}

// TagLine is the line in the form that names its algorithm, as --tag has it: SHA256,
// BLAKE2b.
func TagLine(algorithm, name string, sum []byte) string {
	mark, name := escapeName(fstree.OutwardPath(name))
	return mark + algorithm + " (" + name + ") = " + hex.EncodeToString(sum)
}

func escapeName(name string) (mark, escaped string) {
	escaped = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(name)
	if escaped != name {
		mark = `\`
	}
	return mark, escaped
}

// MtreeHeader is the first line of an mtree manifest.
const MtreeHeader = "#mtree"

// MtreeLine is the line of a file in an mtree manifest (mtree(5)), under a name
// relative to the directory that the manifest is of. keyword is that of the sum, as
// sha256digest.
func MtreeLine(e *Entry, name, keyword string) string {
	var b strings.Builder
	b.WriteString(visual("./" + fstree.OutwardPath(name)))
	if name == "." {
		b.Reset()
		b.WriteByte('.')
	}
	st := e.Stat
	fmt.Fprintf(&b, " type=%s mode=%04o uid=%d gid=%d nlink=%d", mtreeType(st.Mode), fstree.UnixBits(st.Mode)&0o7777, st.UID, st.GID, st.Nlink)
	if !st.Mtime.IsZero() {
		fmt.Fprintf(&b, " time=%d.%09d", st.Mtime.Unix(), st.Mtime.Nanosecond())
	}
	switch st.Mode.Type() {
	case 0:
		fmt.Fprintf(&b, " size=%d", st.Size)
		if e.Sum != nil {
			fmt.Fprintf(&b, " %s=%x", keyword, e.Sum)
		}
	case fs.ModeSymlink:
		b.WriteString(" link=" + visual(e.Target))
	case fs.ModeDevice, fs.ModeDevice | fs.ModeCharDevice:
		fmt.Fprintf(&b, " device=native,%d,%d", st.Major, st.Minor)
	}
	return b.String()
}

func mtreeType(m fs.FileMode) string {
	switch m.Type() {
	case fs.ModeDir:
		return "dir"
	case fs.ModeSymlink:
		return "link"
	case fs.ModeDevice:
		return "block"
	case fs.ModeDevice | fs.ModeCharDevice:
		return "char"
	case fs.ModeNamedPipe:
		return "fifo"
	case fs.ModeSocket:
		return "socket"
	}
	return "file"
}

// visual escapes what has a meaning in a manifest, as vis(3) does with VIS_OCTAL.
func visual(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\\#=*?[", c) >= 0 {
			fmt.Fprintf(&b, `\%03o`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// BodyLine is the line of a file in a bodyfile, which mactime makes timelines of: the
// fields of fls -m, with the sum, which is to be MD5's, or 0. Control characters in
// a name are shown as ^, as fls does, and so is the bar, which ends fields.
func BodyLine(e *Entry, name string) string {
	sum := "0"
	if e.Sum != nil {
		sum = hex.EncodeToString(e.Sum)
	}
	name = fstree.OutwardPath(name)
	if e.Stat.Mode.Type() == fs.ModeSymlink {
		name += " -> " + e.Target
	}
	st := e.Stat
	return strings.Join([]string{
		sum, plain(name), strconv.FormatUint(st.Ino, 10), bodyMode(st.Mode),
		strconv.FormatUint(uint64(st.UID), 10), strconv.FormatUint(uint64(st.GID), 10), strconv.FormatInt(st.Size, 10),
		seconds(st.Atime), seconds(st.Mtime), seconds(st.Ctime), seconds(st.Btime),
	}, "|")
}

func plain(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c == 0x7f || c == '|' {
			b[i] = '^'
		}
	}
	return string(b)
}

// seconds is a time since 1970, and 0 where there is none.
func seconds(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return strconv.FormatInt(t.Unix(), 10)
}

// bodyMode is a type, twice as fls has it, and permissions as ls shows them.
func bodyMode(m fs.FileMode) string {
	letter := map[fs.FileMode]string{
		0: "r", fs.ModeDir: "d", fs.ModeSymlink: "l", fs.ModeDevice: "b", fs.ModeDevice | fs.ModeCharDevice: "c",
		fs.ModeNamedPipe: "p", fs.ModeSocket: "s",
	}[m.Type()]
	if letter == "" {
		letter = "-"
	}
	const rwx = "rwxrwxrwx"
	again := letter
	if letter == "s" {
		again = "h" // TSK_FS_META_TYPE_SOCK
	}
	b := []byte(letter + "/" + again + "---------")
	for i := range len(rwx) {
		if m&(1<<(8-i)) != 0 {
			b[3+i] = rwx[i]
		}
	}
	for _, x := range []struct {
		bit fs.FileMode
		at  int
		set byte
	}{{fs.ModeSetuid, 5, 's'}, {fs.ModeSetgid, 8, 's'}, {fs.ModeSticky, 11, 't'}} {
		if m&x.bit == 0 {
			continue
		}
		if b[x.at] == '-' {
			x.set -= 'a' - 'A'
		}
		b[x.at] = x.set
	}
	return string(b)
}
