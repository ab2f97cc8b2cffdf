package guest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/btrfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend/errs"
)

// Family is the kind of an operating system, in libguestfs's words.
type Family string

const (
	Linux   Family = "linux"
	Windows Family = "windows"
	FreeBSD Family = "freebsd"
	NetBSD  Family = "netbsd"
	OpenBSD Family = "openbsd"
	Hurd    Family = "hurd"
	DOS     Family = "dos"
	Unknown Family = "unknown" // a filesystem without a system
)

const (
	maxSubvolumes = 1024 // entries of a btrfs that are looked at for systems
	maxSystems    = 64
)

// System is an operating system on a disk. It is safe for concurrent use.
type System struct {
	Name   string // of its root volume: "p2"; with the subvolume where that is not the default one: "p2:@"
	Volume string // that its root lies in
	Family Family

	root    *Root
	mounts  []Mount
	volumes []imagefs.Volume // of the disk
}

// Root returns the files of the system.
func (s *System) Root() *Root { return s.root }

// Mounts returns what the system's fstab says, in the order of mounting, and
// what became of it. Swap and the root itself are not among it.
func (s *System) Mounts() []Mount { return append([]Mount(nil), s.mounts...) }

// Find looks for the operating systems on a disk, in the order of its volumes. A
// disk whose only filesystem has none is found as a system of the family
// [Unknown], whose root is that filesystem.
//
// What cannot be read may hide a system: it is the error, beside those that
// were found.
func Find(d *imagefs.Disk) ([]*System, error) {
	volumes, err := d.Volumes()
	if err != nil {
		return nil, errs.Wrap("guest", "find", err)
	}
	problems, err := d.Problems()
	if err != nil {
		return nil, errs.Wrap("guest", "find", err)
	}
	var found []*System
	var readable []candidate
	for i := range volumes {
		v := &volumes[i]
		fsys, err := v.FS()
		switch {
		case errors.Is(err, imagefs.ErrNoFiles):
			continue
		case err != nil:
			problems = append(problems, err)
			continue
		}
		c := candidate{name: v.Name, volume: v, fsys: fsys}
		readable = append(readable, c)
		systems, err := c.systems()
		if err != nil {
			problems = append(problems, &imagefs.VolumeError{Volume: v.Name, Err: reason(err)})
		}
		for _, c := range systems {
			if len(found) == maxSystems {
				problems = append(problems, fmt.Errorf("more than %d systems", maxSystems))
				break
			}
			found = append(found, c.system(volumes))
		}
	}
	if len(found) == 0 && len(readable) == 1 && len(problems) == 0 {
		found = append(found, readable[0].system(volumes))
	}
	return found, errs.Wrap("guest", "find", errors.Join(problems...))
}

// candidate is a filesystem that may be the root of a system.
type candidate struct {
	name   string
	volume *imagefs.Volume
	fsys   *fstree.FS
	family Family
}

// systems are those in a volume: in its root, or in the subvolumes of a btrfs.
func (c candidate) systems() ([]candidate, error) {
	var err error
	if c.family, err = family(c.volume.Filesystem, c.fsys); c.family != "" {
		return []candidate{c}, err
	}
	if err != nil || c.volume.Filesystem != "btrfs" {
		return nil, err
	}
	return c.inSubvolumes()
}

// inSubvolumes looks at the subvolumes that lie in the top-level one, where
// installers put them.
func (c candidate) inSubvolumes() ([]candidate, error) {
	top, err := c.fsys.Rooted(btrfs.SubvolumeRoot(btrfs.TopLevel))
	if err != nil {
		return nil, err
	}
	list, err := top.ReadDir(".")
	var found []candidate
	for _, d := range list[:min(len(list), maxSubvolumes)] {
		info, infoErr := d.Info()
		if !d.IsDir() || infoErr != nil {
			continue
		}
		id := fileID(info).ID
		if id != btrfs.SubvolumeRoot(id.Tree) {
			continue
		}
		sub, subErr := c.fsys.Rooted(id)
		if subErr != nil {
			err = errors.Join(err, subErr)
			continue
		}
		s := candidate{name: c.name + ":" + d.Name(), volume: c.volume, fsys: sub}
		var famErr error
		if s.family, famErr = family(c.volume.Filesystem, sub); s.family != "" {
			found = append(found, s)
		}
		err = errors.Join(err, famErr)
	}
	return withoutSnapshots(found), err
}

// withoutSnapshots leaves out copies of systems: their fstab says that another
// of the subvolumes is the root.
func withoutSnapshots(found []candidate) []candidate {
	roots := make(map[fstree.FileID]bool)
	for _, c := range found {
		if info, err := c.fsys.Lstat("."); err == nil {
			roots[fileID(info)] = true
		}
	}
	var kept []candidate
	for _, c := range found {
		if !c.isCopy(roots) {
			kept = append(kept, c)
		}
	}
	return kept
}

func (c candidate) isCopy(roots map[fstree.FileID]bool) bool {
	lines, err := readTable(c.root())
	if err != nil {
		return false
	}
	self, err := c.fsys.Lstat(".")
	if err != nil {
		return false
	}
	for i := range lines {
		if !lines[i].isRoot() {
			continue
		}
		sub, err := subvolume(c.fsys, &lines[i])
		if err != nil {
			return false
		}
		info, err := sub.Lstat(".")
		return err == nil && fileID(info) != fileID(self) && roots[fileID(info)]
	}
	return false
}

func (c candidate) root() *Root {
	p := place{&mounted{fsys: c.fsys, root: "."}, "."}
	return &Root{top: p, base: p}
}

// marks are files that are in the root of a system alone, and so are those of
// oldReleases.
var marks = [...]string{
	"etc/os-release", "usr/lib/os-release", "etc/fstab", "etc/passwd", "etc/lsb-release", "etc/release",
}

// family tells whose root a filesystem is; "" is nobody's.
func family(kind string, fsys *fstree.FS) (Family, error) {
	if _, err := fsys.Lstat("."); err != nil {
		return "", err
	}
	switch kind { // of the volume: what Info says of a FAT takes all of its table
	case "ntfs":
		return windowsFamily(fsys), nil
	case "vfat":
		if f := windowsFamily(fsys); f != "" {
			return f, nil
		}
		return dosFamily(fsys), nil
	}
	info, err := fsys.Lstat("etc")
	if err != nil || !info.IsDir() {
		return "", notExistIsNil(err)
	}
	for _, mark := range marks {
		if _, err := fsys.Lstat(mark); err == nil {
			return unixFamily(fsys), nil
		}
	}
	for _, old := range oldReleases {
		if _, err := fsys.Lstat(old.file); err == nil {
			return unixFamily(fsys), nil
		}
	}
	return "", nil
}

// windowsFamily tells a Windows from its directories.
func windowsFamily(fsys *fstree.FS) Family {
	for _, dir := range windowsRoots {
		if info, err := fsys.Stat(dir + "/System32"); err == nil && info.IsDir() {
			return Windows
		}
	}
	return ""
}

const freeDOS = "FDOS/FREEDOS.BSS"

// dosFamily tells a DOS from the files that it starts with.
func dosFamily(fsys *fstree.FS) Family {
	if _, err := fsys.Stat(freeDOS); err == nil {
		return DOS
	}
	_, io := fsys.Stat("IO.SYS")
	_, dos := fsys.Stat("MSDOS.SYS")
	if io == nil && dos == nil {
		return DOS
	}
	return ""
}

func notExistIsNil(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func unixFamily(fsys *fstree.FS) Family {
	for _, f := range [...]struct {
		file   string
		family Family
	}{
		{"bin/freebsd-version", FreeBSD}, {"etc/freebsd-update.conf", FreeBSD},
		{"netbsd", NetBSD}, {"bsd", OpenBSD}, {"hurd/console", Hurd},
	} {
		if _, err := fsys.Lstat(f.file); err == nil {
			return f.family
		}
	}
	return Linux
}

// system puts the tree of a system together.
func (c candidate) system(volumes []imagefs.Volume) *System {
	if c.family == "" {
		c.family = Unknown
	}
	s := &System{Name: c.name, Volume: c.volume.Name, Family: c.family, root: c.root(), volumes: volumes}
	if c.family == Unknown || c.family == Windows || c.family == DOS {
		return s
	}
	t := &table{root: s.root, devices: devices{volumes: volumes}}
	lines, err := readTable(s.root)
	if err != nil {
		t.lose(s.root.top, "what is in /etc/fstab", reason(err))
	}
	t.devices.disk = diskOf(lines, c.volume)
	if t.devices.encrypted, err = readCryptTab(s.root); err != nil {
		t.lose(s.root.top, "what is in /etc/crypttab", reason(err))
	}
	t.mountAll(lines)
	s.mounts = t.mounts
	return s
}

// diskOf is what a guest calls the disk that its root lies on, if it says so.
func diskOf(lines []tableLine, root *imagefs.Volume) string {
	for _, l := range lines {
		disk, number, ok := splitPartition(path.Base(l.device))
		if l.isRoot() && ok && root.Partition != nil && root.Partition.Number == number {
			return disk
		}
	}
	return ""
}

// readTable reads the fstab of a guest, which may have none.
func readTable(r *Root) ([]tableLine, error) {
	b, err := readSmall(r, "etc/fstab", maxTable)
	if err != nil {
		return nil, notExistIsNil(err)
	}
	return parseTable(b)
}

// readCryptTab reads the crypttab of a guest, which may have none.
func readCryptTab(r *Root) (map[string]string, error) {
	b, err := readSmall(r, "etc/crypttab", maxTable)
	if err != nil {
		return nil, notExistIsNil(err)
	}
	return parseCryptTab(b)
}

// readSmall reads a regular file of at most limit bytes.
func readSmall(r *Root, name string, limit int64) ([]byte, error) {
	f, err := r.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errNotFile}
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = &fs.PathError{Op: "read", Path: name, Err: fstree.ErrTooLarge}
	}
	return b, err
}

var errNotFile = errs.New("guest", "not a regular file", fs.ErrInvalid)
