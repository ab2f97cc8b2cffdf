package fstreetest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Tree says what a filesystem is filled with. The zero value is a tree of
// everything, small enough for a committed image.
type Tree struct {
	Entries  int  // of the large directory, 300 if zero
	Extents  int  // of the fragmented file, 100 if zero
	Plain    bool // regular files and directories with ordinary names alone
	NoXattrs bool
	UTF8     bool // no names and no targets of links that are not UTF-8

	// LargestXattr leaves out values of more bytes, for a tree that another
	// filesystem is to take over.
	LargestXattr int
	Since1970    bool // no times before 1970: ntfs-3g shows their fractions wrongly
	Huge         bool // a sparse file of 5 GiB too
}

// maker makes the tree. A step that the filesystem cannot do (a name too long,
// a time out of range) is left out; any other failure ends the test.
type maker struct {
	tb           testing.TB
	dir          string
	largestXattr int // bytes; 0: what the filesystem takes
	utf8         bool
}

// Fill makes the tree in a directory.
func (t Tree) Fill(tb testing.TB, dir string) {
	tb.Helper()
	m := maker{tb: tb, dir: dir, largestXattr: t.LargestXattr, utf8: t.UTF8}
	m.sizes()
	m.manyEntries(or(t.Entries, 300))
	m.deep()
	if !t.Plain {
		m.holes(or(t.Extents, 100))
		m.names()
		m.links()
		m.special()
		m.modes()
		if !t.NoXattrs {
			m.xattrs()
		}
	}
	if t.Huge {
		m.huge()
	}
	m.times(t.Since1970)
}

func or(n, byDefault int) int {
	if n == 0 {
		return byDefault
	}
	return n
}

// try ends the test for an error other than a limit of the filesystem.
func (m maker) try(what string, err error) {
	m.tb.Helper()
	for _, limit := range []error{unix.ENAMETOOLONG, unix.EINVAL, unix.ENOTSUP, unix.ERANGE, unix.EOVERFLOW, unix.E2BIG, unix.EILSEQ} {
		if errors.Is(err, limit) {
			return
		}
	}
	if err != nil {
		m.tb.Fatalf("%s: %v", what, err)
	}
}

func (m maker) path(elems ...string) string {
	// Not filepath.Join: it would clean names that are meant to be odd.
	return m.dir + "/" + strings.Join(elems, "/")
}

func (m maker) mkdir(elems ...string) {
	m.try("mkdir", os.MkdirAll(m.path(elems...), 0o755))
}

// pattern is n bytes that tell from which file and which 512 bytes of it they
// are, and yet compress well.
func pattern(n int, salt string) []byte {
	h := fnv.New32a()
	h.Write([]byte(salt))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i % 61)
		if at := i % 512; at < 4 {
			sector := (h.Sum32() + uint32(i/512)) * 2654435761
			b[i] = byte(sector >> (8 * at))
		}
	}
	return b
}

func (m maker) write(data []byte, elems ...string) {
	m.try("write "+elems[len(elems)-1], os.WriteFile(m.path(elems...), data, 0o644))
}

func (m maker) sizes() {
	m.mkdir("sizes")
	for _, n := range []int{0, 1, 59, 60, 61, 100, 150, 511, 512, 513, 1023, 1024, 1025, 4095, 4096, 4097, 12345, 65535, 65536, 65537, 200000} {
		name := fmt.Sprintf("%d.bin", n)
		m.write(pattern(n, name), "sizes", name)
	}
}

func (m maker) manyEntries(n int) {
	m.mkdir("many")
	for i := range n {
		name := fmt.Sprintf("entry %06d of a directory with many", i)
		if i%50 == 0 {
			m.write(pattern(i%300, name), "many", name)
		} else {
			m.write(nil, "many", name)
		}
	}
	for i := 0; i < n; i += 3 {
		name := fmt.Sprintf("entry %06d of a directory with many", i)
		m.try("remove", os.Remove(m.path("many", name)))
	}
}

func (m maker) deep() {
	p := "deep"
	for i := range 30 {
		p += fmt.Sprintf("/level %d", i)
	}
	m.mkdir(p)
	m.write([]byte("down here\n"), p, "file")
	m.mkdir("empty directory")
}

// fragment is a file written by pieces.
func (m maker) fragment(name string, size int64, pieces ...int64) {
	f, err := os.Create(m.path("holes", name))
	m.try("create", err)
	defer f.Close()
	for _, at := range pieces {
		_, err := f.WriteAt(pattern(4096, fmt.Sprint(name, at)), at)
		m.try("write "+name, err)
	}
	m.try("truncate "+name, f.Truncate(size))
}

func (m maker) holes(extents int) {
	m.mkdir("holes")
	m.fragment("at the start", 300<<10, 296<<10)
	m.fragment("in the middle", 300<<10, 0, 150<<10, 296<<10)
	m.fragment("at the end", 300<<10, 0)
	m.fragment("at the end, odd", 300<<10+77, 0, 8192)
	m.fragment("nothing but", 1<<20)
	m.fragment("far out", 70<<20, 69<<20)
	var pieces []int64
	for i := range extents {
		pieces = append(pieces, int64(i)*8192)
	}
	m.fragment("many extents", int64(extents)*8192, pieces...)
	m.preallocated()
}

func (m maker) preallocated() {
	allocate := func(name string, size int64, mode uint32, off, n int64, data ...int64) {
		f, err := os.Create(m.path("holes", name))
		m.try("create", err)
		defer f.Close()
		m.try("truncate", f.Truncate(size))
		if mode&unix.FALLOC_FL_PUNCH_HOLE != 0 {
			_, err = f.WriteAt(pattern(int(size), name), 0)
			m.try("write", err)
		}
		m.try("fallocate "+name, unix.Fallocate(int(f.Fd()), mode, off, n))
		for _, at := range data {
			_, err := f.WriteAt(pattern(5000, fmt.Sprint(name, at)), at)
			m.try("write", err)
		}
	}
	allocate("unwritten", 200<<10, 0, 0, 200<<10)
	allocate("unwritten with data inside", 200<<10, 0, 0, 200<<10, 50<<10, 120<<10)
	allocate("unwritten past the end", 10000, unix.FALLOC_FL_KEEP_SIZE, 0, 200<<10, 0)
	allocate("punched", 200<<10, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 64<<10, 64<<10)
}

func (m maker) huge() {
	m.mkdir("holes")
	m.fragment("huge", 5<<30, 0, 3<<30, 5<<30-4096)
}

func (m maker) names() {
	m.mkdir("names")
	for c := 1; c < 256; c++ {
		if c != '/' && (c < 0x80 || !m.utf8) {
			m.write([]byte{byte(c)}, "names", "byte "+string([]byte{byte(c)})+" inside")
		}
	}
	for _, name := range []string{
		".hidden", "...", "....", " leading space", "trailing space ", "trailing dot.", "-dash", "--", "~", "UPPER", "upper", "Upper",
		"caf\xc3\xa9", "cafe\xcc\x81", "caf\xe9", "\xff\xfe", "\xed\xa0\x80 surrogate", "\U0001F4BE", "\uFFFD", "\uFFFDE9", "日本語のとても長い名前",
		"new\nline", "tab\there", "quote'\"`", "a\\b", "%2F", "*?[]{}", "con", "nul.txt",
		strings.Repeat("n", 255), strings.Repeat("m", 254), strings.Repeat("é", 127), strings.Repeat("x", 247), strings.Repeat("y", 248), "a", "b",
	} {
		if !m.utf8 || utf8.ValidString(name) {
			m.write([]byte(name), "names", name)
		}
	}
}

func (m maker) links() {
	m.mkdir("links", "sub")
	m.write([]byte("the target\n"), "links", "target")
	link := func(target, name string) { m.try("symlink", os.Symlink(target, m.path("links", name))) }
	link("target", "short")
	link("../links/target", "by parent")
	link("/links/target", "absolute")
	link("sub", "to a directory")
	link("no such file", "dangling")
	link("loop a", "loop b")
	link("loop b", "loop a")
	link("itself", "itself")
	link("../../../../../etc/passwd", "out of the root")
	if !m.utf8 {
		link("with\xff\xfebytes", "odd target")
	}
	for _, n := range []int{20, 55, 59, 60, 61, 155, 156, 157, 250, 500, 1000, 1023, 1024, 2000, 4000, 4095} {
		m.try("symlink", os.Symlink(strings.Repeat("t", n), m.path("links", fmt.Sprintf("of %d bytes", n))))
	}
	hard := func(name string) { m.try("link", os.Link(m.path("links", "target"), m.path("links", name))) }
	hard("hard")
	hard("sub/hard in a subdirectory")
	for i := range 5 {
		m.mkdir("links", fmt.Sprintf("parent of many/%d", i))
	}
}

func (m maker) special() {
	m.mkdir("special")
	node := func(name string, mode uint32, major, minor uint32) {
		m.try("mknod", unix.Mknod(m.path("special", name), mode|0o640, int(unix.Mkdev(major, minor))))
	}
	node("fifo", unix.S_IFIFO, 0, 0)
	node("socket", unix.S_IFSOCK, 0, 0)
	node("null", unix.S_IFCHR, 1, 3)
	node("old block", unix.S_IFBLK, 8, 255)
	node("new block", unix.S_IFBLK, 259, 70000)
	node("large", unix.S_IFCHR, 4095, 1<<20-1)
}

func (m maker) modes() {
	m.mkdir("modes")
	for _, mode := range []uint32{0, 0o777, 0o644, 0o4755, 0o2755, 0o6711, 0o1777, 0o7777, 0o2644} {
		name := fmt.Sprintf("%04o", mode)
		m.write([]byte(name), "modes", name)
		m.mkdir("modes", "dir "+name)
		m.try("chmod", unix.Chmod(m.path("modes", name), mode))
		m.try("chmod", unix.Chmod(m.path("modes", "dir "+name), mode))
	}
	for _, id := range []uint32{1, 1000, 65534, 65535, 65536, 1 << 20, 1<<31 - 1, 1<<32 - 2} {
		name := fmt.Sprintf("owner %d", id)
		m.write(nil, "modes", name)
		m.try("chown", unix.Lchown(m.path("modes", name), int(id), int(id/2)))
	}
}

func (m maker) xattrs() {
	m.mkdir("xattrs")
	set := func(file, name string, value []byte) {
		if m.largestXattr > 0 && len(value) > m.largestXattr {
			return
		}
		err := unix.Lsetxattr(m.path("xattrs", file), name, value, 0)
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.E2BIG) {
			return // larger than this filesystem's room for attributes
		}
		m.try("setxattr "+name, err)
	}
	for _, file := range []string{"small", "empty value", "many", "large", "larger", "of all kinds", "acl", "file with both"} {
		m.write([]byte(file), "xattrs", file)
	}
	m.mkdir("xattrs", "dir")
	set("small", "user.mime_type", []byte("text/plain"))
	set("empty value", "user.empty", nil)
	for i := range 20 {
		set("many", fmt.Sprintf("user.number %d", i), fmt.Appendf(nil, "value %d", i))
	}
	set("large", "user.large", pattern(1500, "large"))
	set("large", "user.also large", pattern(800, "also"))
	set("larger", "user.larger", pattern(20000, "larger"))
	set("of all kinds", "user.u", []byte("u"))
	set("of all kinds", "trusted.t", []byte("t\x00t"))
	set("of all kinds", "security.capability", append([]byte{1, 0, 0, 2, 0, 0x20, 0, 0}, make([]byte, 12)...))
	set("of all kinds", "user."+strings.Repeat("n", 200), []byte("long name"))
	set("acl", "system.posix_acl_access", acl(false))
	set("dir", "system.posix_acl_access", acl(true))
	set("dir", "system.posix_acl_default", acl(true))
	set("dir", "user.on a directory", []byte("yes"))
	set("file with both", "user.both", bytes.Repeat([]byte{7}, 300))
	set("file with both", "system.posix_acl_access", acl(true))
}

// acl encodes an access control list as the xattr interface has it:
// linux/posix_acl_xattr.h, version 2, entries of tag, permissions and id.
func acl(mask bool) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	entry := func(tag, perm uint16, id uint32) {
		b = binary.LittleEndian.AppendUint16(b, tag)
		b = binary.LittleEndian.AppendUint16(b, perm)
		b = binary.LittleEndian.AppendUint32(b, id)
	}
	const none = 0xFFFFFFFF
	entry(0x01, 6, none) // owner
	entry(0x02, 7, 1000) // a user
	entry(0x04, 4, none) // owning group
	if mask {
		entry(0x08, 5, 70000) // a group
	}
	entry(0x10, 7, none) // mask
	entry(0x20, 0, none) // others
	return b
}

// times sets the time of every file, last of all since other changes touch
// it: some by name at the edges of what filesystems can store, the rest to a
// moment that differs from now.
func (m maker) times(since1970 bool) {
	m.mkdir("times")
	for _, s := range []string{
		"1901-12-13T20:45:52Z", "1901-12-13T20:45:53.000000001Z", "1960-02-29T12:00:00.5Z", "1969-12-31T23:59:59.999999999Z", "1970-01-01T00:00:00Z",
		"1980-01-01T00:00:02Z", "2001-09-09T01:46:40.123456789Z", "2038-01-19T03:14:07Z", "2038-01-19T03:14:08Z", "2106-02-07T06:28:15Z",
		"2106-02-07T06:28:16Z", "2174-02-25T09:42:24Z", "2242-03-16T12:56:32Z", "2310-04-04T16:10:40Z", "2400-02-29T00:00:00Z",
	} {
		t, err := time.Parse(time.RFC3339Nano, s)
		m.try("parse", err)
		if since1970 && t.Before(time.Unix(0, 0)) {
			continue
		}
		name := strings.ReplaceAll(s, ":", ".")
		m.write(nil, "times", name)
		m.try("utimes", m.utimes(m.path("times", name), t))
	}
	base := time.Date(2020, 5, 17, 10, 20, 30, 123456789, time.UTC)
	err := filepath.WalkDir(m.dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || filepath.Base(filepath.Dir(name)) == "times" {
			return err
		}
		base = base.Add(1234567 * time.Microsecond)
		return m.utimes(name, base)
	})
	m.try("walk", err)
}

// utimes sets the modification time, and the access time an hour later.
func (m maker) utimes(name string, t time.Time) error {
	atime, err := unix.TimeToTimespec(t.Add(time.Hour))
	if err != nil {
		return err
	}
	mtime, err := unix.TimeToTimespec(t)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{atime, mtime}, unix.AT_SYMLINK_NOFOLLOW)
}
