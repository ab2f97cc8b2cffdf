package guest

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// What is read of a table: more than anyone has.
const (
	maxTable  = 1 << 20 // bytes
	maxMounts = 256
	maxPath   = 4096 // bytes of a path that the kernel takes (PATH_MAX)
)

// tableLine is a line of fstab(5).
type tableLine struct {
	device, point, kind string
	options             []string
}

// parseTable reads fstab(5). Its error says that it has more lines than are
// read.
func parseTable(b []byte) (lines []tableLine, err error) {
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(lines) == maxMounts {
			return lines, fmt.Errorf("more than %d lines: %w", maxMounts, fstree.ErrTooLarge)
		}
		l := tableLine{device: unquote(unescapeOctal(fields[0])), point: unescapeOctal(fields[1])}
		if strings.HasPrefix(l.point, "/") {
			l.point = path.Clean(l.point)
		}
		if len(fields) > 2 {
			l.kind = fields[2]
		}
		if len(fields) > 3 {
			l.options = strings.Split(fields[3], ",")
		}
		if l.bind() {
			l.device = path.Clean(l.device)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// parseCryptTab reads crypttab(5): which device a name in /dev/mapper is of.
func parseCryptTab(b []byte) (map[string]string, error) {
	names := make(map[string]string)
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(names) == maxMounts {
			return names, fmt.Errorf("more than %d lines: %w", maxMounts, fstree.ErrTooLarge)
		}
		names[fields[0]] = unquote(fields[1])
	}
	return names, nil
}

// unescapeOctal resolves the escapes of fstab: \040 is a space.
func unescapeOctal(s string) string {
	return unescape(s, `\`, 8, 3)
}

// unescapeUdev resolves the escapes of names in /dev/disk: \x20 is a space.
func unescapeUdev(s string) string {
	return unescape(s, `\x`, 16, 2)
}

func unescape(s, mark string, base, digits int) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, mark)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		s = rest
		if len(rest) >= digits {
			if c, err := strconv.ParseUint(rest[:digits], base, 8); err == nil {
				b.WriteByte(byte(c))
				s = rest[digits:]
				continue
			}
		}
		b.WriteString(mark)
	}
}

// unquote takes the quotes off a value, as mount(8) lets UUID="..." have them.
func unquote(s string) string {
	tag, value, found := strings.Cut(s, "=")
	if !found || len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return s
	}
	return tag + "=" + value[1:len(value)-1]
}

func (l *tableLine) has(option string) bool {
	_, ok := l.option(option)
	return ok
}

// option returns the value of the last option of a name.
func (l *tableLine) option(name string) (value string, ok bool) {
	for _, o := range l.options {
		if n, v, _ := strings.Cut(o, "="); n == name {
			value, ok = v, true
		}
	}
	return value, ok
}

func (l *tableLine) bind() bool { return l.has("bind") || l.has("rbind") || l.kind == "bind" }

// isRoot reports whether the line is of the root filesystem.
func (l *tableLine) isRoot() bool { return l.point == "/" }

// class says what is done with a line.
type class int

const (
	fromDisk class = iota
	ignored        // swap, and what is no mount
	virtual        // made by the kernel, and empty on the disk
	remote         // on another machine
	refused        // puts directories together in ways that are not known here
)

func (l *tableLine) class() class {
	if !strings.HasPrefix(l.point, "/") {
		return ignored // "none" of swap
	}
	switch l.kind {
	case "swap", "ignore":
		return ignored
	case "proc", "sysfs", "tmpfs", "ramfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "debugfs", "tracefs",
		"securityfs", "configfs", "hugetlbfs", "mqueue", "binfmt_misc", "efivarfs", "bpf", "pstore", "usbfs",
		"rpc_pipefs", "nfsd", "fusectl", "selinuxfs", "usbdevfs", "linprocfs", "linsysfs", "fdescfs", "procfs", "autofs":
		return virtual
	case "nfs", "nfs4", "cifs", "smbfs", "smb3", "ceph", "glusterfs", "afs", "9p", "virtiofs", "ncpfs", "sshfs",
		"fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "davfs", "coda", "lustre", "beegfs", "vboxsf", "fuse.vmhgfs-fuse":
		return remote
	case "overlay", "overlayfs", "aufs", "unionfs", "mhddfs", "fuse.mergerfs", "mergerfs", "fuse.unionfs", "ecryptfs", "zfs":
		return refused
	}
	return fromDisk
}
