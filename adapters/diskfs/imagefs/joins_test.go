package imagefs_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/qedfile"
)

// rawDisk is the bytes of a committed image's disk, to be damaged.
func rawDisk(t *testing.T, name string) []byte {
	t.Helper()
	m, err := qedfile.Open("../../../testdata/"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	b := make([]byte, m.Size())
	if _, err := m.ReadAt(b, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return b
}

// The second volume of gpt.qed, and what is in its first sectors.
const (
	secondVolume = 5242880
	superblock   = secondVolume + 1024
)

// broken is gpt.qed with each thing that a volume can have instead of files.
func broken(t *testing.T, what string) *imagefs.Disk {
	t.Helper()
	b := rawDisk(t, "gpt.qed")
	volume := b[secondVolume : secondVolume+16777216]
	switch what {
	case "features": // that nobody knows
		copy(b[superblock+96:], "\xff\xff\xff\xff")
	case "unknown":
		for i := range volume {
			volume[i] = 0xA5
		}
	case "zeroes":
		clear(volume)
	case "swap":
		clear(volume)
		copy(volume[4096-10:], "SWAPSPACE2")
		volume[1024] = 1
		volume[1028] = 255
	case "LUKS":
		clear(volume)
		copy(volume, "LUKS\xba\xbe\x00\x01")
	}
	d, err := imagefs.OpenDisk(memoryDisk(t, b), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestAVolumeThatCannotBeReadStaysInTheTree(t *testing.T) {
	for what, want := range map[string]error{
		"features": imagefs.ErrUnsupported,
		"unknown":  imagefs.ErrNoFilesystem,
		"LUKS":     imagefs.ErrUnsupported,
	} {
		t.Run(what, func(t *testing.T) {
			tree := broken(t, what).FS()
			list, err := tree.ReadDir(".")
			if err != nil || len(list) != 2 || list[1].Name() != "p2" || !list[1].IsDir() {
				t.Fatalf("the root lists %v, %v", list, err)
			}
			if _, err := list[1].Info(); !errors.Is(err, want) {
				t.Errorf("Info: %v", err)
			}
			for _, name := range []string{"p2", "p2/etc"} {
				_, err := tree.Open(name)
				var pe *fs.PathError
				if !errors.Is(err, want) || !errors.As(err, &pe) || pe.Path != name {
					t.Errorf("Open(%s): %v", name, err)
				}
			}
			var met []error
			seen := 0
			for e, err := range tree.Walk(context.Background(), ".", nil) {
				if e.Path == "p2" && err != nil {
					met = append(met, err)
				} else if e.Path == "p2" {
					seen++
				}
			}
			if seen != 1 || len(met) != 1 || !errors.Is(met[0], want) {
				t.Errorf("Walk met it %d times, with %v", seen, met)
			}
			met = nil
			err = fs.WalkDir(tree, ".", func(name string, _ fs.DirEntry, err error) error {
				if err != nil {
					met = append(met, err)
				}
				return nil
			})
			if err != nil || len(met) != 1 || !errors.Is(met[0], want) {
				t.Errorf("WalkDir: %v, met %v", err, met)
			}
		})
	}
}

func TestAVolumeThatHoldsNoFilesIsNotInTheTree(t *testing.T) {
	for _, what := range []string{"zeroes", "swap"} {
		d := broken(t, what)
		list, err := d.FS().ReadDir(".")
		if err != nil || len(list) != 1 {
			t.Errorf("%s: the root lists %v, %v", what, list, err)
		}
		v, err := d.Volume("p2")
		if err != nil {
			t.Fatal(err)
		}
		var ve *imagefs.VolumeError
		if _, err := v.FS(); !errors.Is(err, imagefs.ErrNoFiles) || !errors.As(err, &ve) || ve.Volume != "p2" {
			t.Errorf("%s: %v", what, err)
		}
		if err := fs.WalkDir(d.FS(), ".", func(_ string, _ fs.DirEntry, err error) error { return err }); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestWhatATableLosesIsAnErrorOfTheRoot(t *testing.T) {
	// The disk ends before its second partition begins; its primary table is whole.
	b := rawDisk(t, "gpt.qed")[:secondVolume-4096]
	d, err := imagefs.OpenDisk(memoryDisk(t, b), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	problems, err := d.Problems()
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0].Error(), "partition 2 begins past the end") {
		t.Errorf("problems: %v, %v", problems, err)
	}
	list, err := d.FS().ReadDir(".")
	if err == nil || !strings.Contains(err.Error(), "partition 2") || len(list) != 1 {
		t.Errorf("the root lists %v, %v", list, err)
	}
	f, err := d.FS().Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	first, err := f.(fs.ReadDirFile).ReadDir(1)
	rest, end := f.(fs.ReadDirFile).ReadDir(1)
	if err == nil || len(first) != 1 || len(rest) != 0 || end != io.EOF {
		t.Errorf("in parts: %v, %v, then %v, %v", first, err, rest, end)
	}
	met := 0
	for _, err := range d.FS().Walk(context.Background(), ".", nil) {
		if err != nil && strings.Contains(err.Error(), "partition 2") {
			met++
		}
	}
	if met != 1 {
		t.Errorf("a walk met it %d times", met)
	}
}

func TestNotesAreThoseOfWhatWasOpened(t *testing.T) {
	d, err := imagefs.OpenDisk(memoryDisk(t, fstreetest.Image(t, "crash-ext4-1k")), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if notes, err := d.Notes(); err != nil || len(notes) != 0 {
		t.Errorf("notes before anything was opened: %v, %v", notes, err)
	}
	if _, err := d.FS().Stat("disk"); err != nil {
		t.Fatal(err)
	}
	if notes, err := d.Notes(); err != nil || len(notes) != 1 || notes[0].Volume != "disk" || !strings.Contains(notes[0].Text, "journal") {
		t.Errorf("notes are %v, %v", notes, err)
	}
}

func TestVolumesAreCopies(t *testing.T) {
	d := openCommitted(t, "gpt.qed")
	v, err := d.Volume("p2")
	if err != nil {
		t.Fatal(err)
	}
	v.Name, v.Filesystem, v.Size = "other", "xfs", 1
	if n := v.Reader().Size(); n != 16777216 {
		t.Errorf("its reader has %d bytes", n)
	}
	again, err := d.Volume("p2")
	if err != nil || again.Filesystem != "ext4" || again.Size != 16777216 {
		t.Errorf("the disk's own volume changed: %+v, %v", again, err)
	}
	if _, err := d.FS().Stat("p2/etc"); err != nil {
		t.Error(err)
	}
	var none imagefs.Volume
	if _, err := none.FS(); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a volume of no disk: %v", err)
	}
	if n := none.Reader().Size(); n != 0 {
		t.Errorf("a volume of no disk has %d bytes", n)
	}
}

func TestAfterCloseADiskAnswersNothing(t *testing.T) {
	d, err := imagefs.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		t.Fatal(err)
	}
	tree := d.FS()
	v, err := d.Volume("p2")
	if err != nil {
		t.Fatal(err)
	}
	fsys, err := v.FS()
	if err != nil {
		t.Fatal(err)
	}
	f, err := tree.Open("p2/etc/hostname")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(f); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for what, call := range map[string]func() error{
		"Volumes":     func() error { _, err := d.Volumes(); return err },
		"Volume.FS":   func() error { _, err := v.FS(); return err },
		"FS.Stat":     func() error { _, err := fsys.Stat("etc"); return err },
		"Tree.Open":   func() error { _, err := tree.Open("p2/etc/hostname"); return err },
		"Tree.List":   func() error { _, err := tree.ReadDir("."); return err },
		"File.ReadAt": func() error { _, err := f.(fstree.File).ReadAt(make([]byte, 1), 0); return err },
		"Volume.Reader": func() error {
			_, err := v.Reader().ReadAt(make([]byte, 1), 0)
			return err
		},
	} {
		if err := call(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
