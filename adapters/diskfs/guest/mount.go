package guest

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/btrfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend/errs"
)

// Mount is a line of the guest's fstab and what became of it.
type Mount struct {
	Device  string   `json:"device"`           // as the guest names it
	Point   string   `json:"point"`            // "/boot/efi"
	Type    string   `json:"type"`             // of filesystem, as the guest says
	Options []string `json:"options"`          //
	Volume  string   `json:"volume,omitempty"` // that it is; "" where nothing of the disk is mounted
	Note    string   `json:"note,omitempty"`   // why nothing is, where that hides nothing: "not mounted at boot"
	Problem string   `json:"problem,omitempty"`

	// Err is Problem as an error: the files of the guest are incomplete.
	Err error `json:"-"`
}

var (
	// ErrNoDevice is matched by the error of a mount whose device is not
	// among the volumes of the disk. It matches [fs.ErrNotExist].
	ErrNoDevice = errs.New("guest", "no such device on this disk", fs.ErrNotExist)

	// ErrNoMountPoint is matched by the error of a mount on what is not there
	// or cannot be mounted on. It matches [fs.ErrNotExist].
	ErrNoMountPoint = errs.New("guest", "mount point is not there", fs.ErrNotExist)
)

// table puts the tree of a guest together.
type table struct {
	root    *Root
	devices devices
	mounts  []Mount
	count   int // of what is mounted
}

// mountAll mounts what fstab says, a mount after those that it needs.
func (t *table) mountAll(lines []tableLine) {
	var pending []tableLine
	for _, l := range lines {
		if l.isRoot() || l.class() == ignored {
			continue
		}
		pending = append(pending, l)
	}
	needs := make([][]int, len(pending))
	for i := range pending {
		for j := range pending {
			if i != j && pending[i].needs(&pending[j], j < i) {
				needs[i] = append(needs[i], j)
			}
		}
	}
	done := make([]bool, len(pending))
	for range pending {
		i := nextMount(needs, done)
		done[i] = true
		t.mount(pending[i])
	}
}

// nextMount is the first that has all that it needs; where they need each other
// it is the first of all.
func nextMount(needs [][]int, done []bool) int {
	for i := range needs {
		waits := slices.ContainsFunc(needs[i], func(j int) bool { return !done[j] })
		if !done[i] && !waits {
			return i
		}
	}
	return slices.Index(done, false)
}

// needs reports whether a line is mounted after another: on what it lies on, is
// taken from, or has been mounted there before.
func (l *tableLine) needs(other *tableLine, earlier bool) bool {
	if c := other.class(); c == virtual || c == remote {
		return false
	}
	if within(l.point, other.point) && (earlier || l.point != other.point) {
		return true
	}
	return l.bind() && within(l.device, other.point)
}

// within reports whether a clean path is dir or below it.
func within(name, dir string) bool {
	rest, ok := strings.CutPrefix(name, dir)
	return ok && (rest == "" || rest[0] == '/')
}

// mount does what a line says.
func (t *table) mount(l tableLine) {
	m := Mount{Device: l.device, Point: l.point, Type: l.kind, Options: l.options}
	what, err := t.source(&l, &m)
	switch {
	case m.Note != "":
	case errors.Is(err, fs.ErrNotExist) && l.has("nofail"):
		m.Note = errs.Message(err) + " (nofail)"
	default:
		if what == nil {
			what = &mounted{err: fmt.Errorf("%s: %w", l.device, err)}
		}
		if attachErr := t.attach(what, m.Point); err == nil {
			err = attachErr
		}
		m.Err = err
	}
	if m.Err != nil {
		m.Problem = errs.Message(m.Err)
	}
	t.mounts = append(t.mounts, m)
}

// source is what a line mounts. Where it is nothing of the disk and hides
// nothing of it, the mount has a note.
func (t *table) source(l *tableLine, m *Mount) (*mounted, error) {
	// What is mounted when it is first used is there for everyone.
	if l.has("noauto") && !l.has("x-systemd.automount") {
		m.Note = "not mounted at boot"
		return nil, nil
	}
	if l.bind() {
		return t.bound(l)
	}
	switch l.class() {
	case virtual:
		m.Note = "made by the kernel"
		return nil, nil
	case remote:
		m.Note = "on another machine"
		return nil, nil
	case refused:
		return nil, fmt.Errorf("a filesystem of type %s: %w", l.kind, imagefs.ErrUnsupported)
	}
	v, ok := t.devices.find(l.device)
	if !ok {
		return nil, ErrNoDevice
	}
	m.Volume = v.Name
	fsys, err := v.FS()
	if err != nil {
		return nil, volumeReason(err)
	}
	if v.Filesystem == "btrfs" {
		if fsys, err = subvolume(fsys, l); err != nil {
			return nil, err
		}
	}
	return &mounted{fsys: fsys, root: "."}, nil
}

// volumeReason is an error without the name of the volume.
func volumeReason(err error) error {
	var ve *imagefs.VolumeError
	if errors.As(err, &ve) {
		return ve.Err
	}
	return err
}

// subvolume is the part of a btrfs that a line asks for; without options that
// is the default subvolume.
func subvolume(fsys *fstree.FS, l *tableLine) (*fstree.FS, error) {
	if s, ok := l.option("subvolid"); ok {
		id, err := strconv.ParseUint(s, 0, 64)
		if err != nil {
			return nil, fmt.Errorf("subvolid=%s: %w", s, fs.ErrInvalid)
		}
		if id == 0 {
			id = btrfs.TopLevel
		}
		sub, err := fsys.Rooted(btrfs.SubvolumeRoot(id))
		if err != nil {
			return nil, fmt.Errorf("subvolid=%s: %w", s, reason(err))
		}
		return sub, nil
	}
	name, ok := l.option("subvol")
	if !ok {
		return fsys, nil
	}
	sub, err := subvolumeByName(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("subvol=%s: %w", name, err)
	}
	return sub, nil
}

// subvolumeByName finds a subvolume by its path in the top-level one.
func subvolumeByName(fsys *fstree.FS, name string) (*fstree.FS, error) {
	top, err := fsys.Rooted(btrfs.SubvolumeRoot(btrfs.TopLevel))
	if err != nil {
		return nil, reason(err)
	}
	info, err := top.Stat(treePath(name))
	if err != nil {
		return nil, reason(err)
	}
	id := fileID(info).ID
	if id != btrfs.SubvolumeRoot(id.Tree) {
		return nil, fmt.Errorf("not a subvolume: %w", fs.ErrInvalid)
	}
	sub, err := fsys.Rooted(id)
	return sub, reason(err)
}

// treePath turns a path of the guest, bytes as stored, into one of a tree.
func treePath(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	return fstree.EscapeTarget(name)
}

// bound is a part of the tree as it stands.
func (t *table) bound(l *tableLine) (*mounted, error) {
	if len(l.device) > maxPath {
		return nil, syscall.ENAMETOOLONG
	}
	at, info, err := t.root.walkPath(treePath(l.device), true)
	if err != nil {
		return nil, err
	}
	m := &mounted{fsys: at.m.fsys, root: at.rel}
	if info.IsDir() {
		sub, err := at.m.fsys.Sub(at.rel)
		if err != nil {
			return nil, reason(err)
		}
		m.fsys, m.root = sub.(*fstree.FS), "."
	}
	if l.has("rbind") {
		t.copyMounts(m, at)
	}
	return m, nil
}

// copyMounts mounts on a bound directory what is mounted below the place that
// it is taken from.
func (t *table) copyMounts(to *mounted, from place) {
	for c, on := range from.m.on {
		if from.rel != "." && !strings.HasPrefix(on.point, from.rel+"/") {
			continue
		}
		if t.count++; t.count > maxMounts {
			return // attach says so of the mount itself
		}
		c.name = below(c.name, from.rel)
		m := &mounted{
			fsys: on.fsys, root: on.root, err: on.err,
			above: to, point: below(on.point, from.rel), dir: on.dir, lost: on.lost,
		}
		if to.on == nil {
			to.on = make(map[cover]*mounted)
		}
		to.on[c] = m
		t.copyMounts(m, place{on, on.root})
	}
}

func below(name, dir string) string {
	if dir == "." {
		return name
	}
	return strings.TrimPrefix(name, dir+"/")
}

// attach mounts what a line says on its mount point.
func (t *table) attach(m *mounted, point string) error {
	at, info, err := t.mountPoint(point)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%s: %w", point, ErrNoMountPoint)
	case err == nil && m.err == nil && info.IsDir() != m.isDir():
		err = fstree.ErrNotDir
		at = at.up()
	}
	if err != nil {
		err = cmp.Or(m.err, err)
		t.lose(at, point, err)
		return err
	}
	parent, err := at.m.fsys.Lstat(path.Dir(at.rel))
	if err != nil {
		return reason(err)
	}
	m.above, m.point, m.dir = at.m, at.rel, fileID(parent)
	if at.m.on == nil {
		at.m.on = make(map[cover]*mounted)
	}
	at.m.on[coverOf(info.IsDir(), fileID(info), at.rel)] = m
	return nil
}

// mountPoint finds where to mount, or the directory in which that is missing.
func (t *table) mountPoint(point string) (place, fs.FileInfo, error) {
	if t.count++; t.count > maxMounts {
		return t.root.top, nil, fmt.Errorf("more than %d mounts: %w", maxMounts, imagefs.ErrUnsupported)
	}
	if len(point) > maxPath {
		return t.root.top, nil, syscall.ENAMETOOLONG
	}
	return t.root.walkPath(treePath(point), true)
}

func (m *mounted) isDir() bool {
	info, err := m.fsys.Lstat(m.root)
	return err != nil || info.IsDir()
}

// lose has a directory say what is missing in it.
func (t *table) lose(dir place, point string, err error) {
	info, statErr := dir.m.fsys.Lstat(dir.rel)
	if statErr != nil {
		return // it has an error of its own
	}
	if dir.m.lost == nil {
		dir.m.lost = make(map[fstree.FileID][]error)
	}
	id := fileID(info)
	dir.m.lost[id] = append(dir.m.lost[id], fmt.Errorf("mount of %s: %w", point, err))
}
