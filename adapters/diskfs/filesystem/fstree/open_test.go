package fstree_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// unreadable is an engine whose root has no inode.
type unreadable struct {
	*memory
	err error
}

func (u unreadable) Stat(fstree.ID) (fstree.Stat, error) {
	if u.err == nil {
		panic("stat")
	}
	return fstree.Stat{}, u.err
}

func TestARootThatIsNoDirectoryIsAnErrorOfOpen(t *testing.T) {
	m := newMemory()
	if _, err := fstree.Open(m); err != nil {
		t.Error(err)
	}
	for _, mode := range []fs.FileMode{0, fs.ModeSymlink, fs.ModeDevice, fs.ModeIrregular} {
		m.nodes[0].stat.Mode = mode | 0o755
		if f, err := fstree.Open(m); f != nil || !errors.Is(err, fstree.ErrDamaged) || !strings.Contains(err.Error(), "root directory") {
			t.Errorf("%v: %v", mode, err)
		}
	}
	broken := errors.New("broken")
	if f, err := fstree.Open(unreadable{m, broken}); f != nil || !errors.Is(err, broken) {
		t.Errorf("a root that cannot be read: %v", err)
	}
	if f, err := fstree.Open(unreadable{memory: m}); f != nil || !errors.Is(err, fstree.ErrDamaged) {
		t.Errorf("a panic: %v", err)
	}
}

func TestWhatOnlySomeReadersHaveIsFoundOnTheTree(t *testing.T) {
	fsys := fstree.New(newMemory())
	if m, ok := fstree.As[*memory](fsys); !ok || m == nil {
		t.Error("the reader itself is not found")
	}
	if _, ok := fstree.As[fstree.Streams](fsys); ok {
		t.Error("streams are found where there are none")
	}
}

func TestAVolumeThatIsCutOffHasNoMoreThanIsThere(t *testing.T) {
	for _, tt := range []struct {
		size           int64
		wantSize, free int64
		notes          int
	}{{1000, 900, 600, 0}, {1001, 900, 600, 0}, {999, 900, 599, 1}, {700, 700, 300, 1}, {100, 100, 0, 1}, {0, 0, 0, 1}} {
		i := fstree.Info{Size: 900, Free: 600}
		i.CutOff(1000, tt.size)
		cut := slices.ContainsFunc(i.Notes, func(s string) bool { return strings.Contains(s, "cut off") })
		if i.Size != tt.wantSize || i.Free != tt.free || len(i.Notes) != tt.notes || cut != (tt.notes == 1) {
			t.Errorf("%d of 1000 bytes: %+v", tt.size, i)
		}
	}
}
