package guest_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/guest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend/errs"
)

func open(t testing.TB, name string) *imagefs.Disk {
	t.Helper()
	d, err := imagefs.Open(filepath.Join("../../../testdata", name), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func systems(t testing.TB, name string) []*guest.System {
	t.Helper()
	found, err := guest.Find(open(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func one(t testing.TB, name string) *guest.System {
	t.Helper()
	found := systems(t, name)
	if len(found) != 1 {
		t.Fatalf("%d systems", len(found))
	}
	return found[0]
}

func TestEachSystemIsFoundByItsName(t *testing.T) {
	for image, want := range map[string]string{
		"guest/debian.qed":  "p3 linux",
		"guest/fedora.qed":  "disk:root linux", // and not its snapshot
		"guest/alpine.qed":  "disk linux",
		"guest/two.qed":     "p1 linux,p2 linux",
		"guest/windows.qed": "p1 windows",
		"gpt.qed":           "p2 linux",
		"lvm.qed":           "vg-root linux",
		"mbr-logical.qed":   "", // three filesystems, no system
	} {
		t.Run(image, func(t *testing.T) {
			var got []string
			for _, s := range systems(t, image) {
				got = append(got, s.Name+" "+string(s.Family))
			}
			if strings.Join(got, ",") != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

func TestTreePassesTheStandardLibrarysTest(t *testing.T) {
	for image, files := range map[string][]string{
		"guest/alpine.qed":  {"etc/os-release", "bin/busybox"},
		"guest/windows.qed": {"Windows/System32/config"},
		"gpt.qed":           {"etc/hostname", "home/user/hostname"},
	} {
		if err := fstest.TestFS(one(t, image).Root(), files...); err != nil {
			t.Errorf("%s: %v", image, err)
		}
	}
	// Of these something is missing, which TestFS takes for a failure below it.
	for image, dirs := range map[string][]string{
		"guest/debian.qed": {"boot", "home", "etc", "usr", "srv/shared"},
		"guest/fedora.qed": {"home", "var", "mnt", "etc"},
	} {
		root := one(t, image).Root()
		for _, dir := range dirs {
			sub, err := fs.Sub(root, dir)
			if err != nil {
				t.Fatal(err)
			}
			list, err := fs.ReadDir(sub, ".")
			if err != nil || len(list) == 0 {
				t.Errorf("%s/%s: %d entries, %v", image, dir, len(list), err)
				continue
			}
			if err := fstest.TestFS(sub, list[0].Name()); err != nil {
				t.Errorf("%s/%s: %v", image, dir, err)
			}
		}
	}
}

func TestFilesAreWhereTheGuestHasThem(t *testing.T) {
	roots := map[string]fs.FS{
		"debian": one(t, "guest/debian.qed").Root(),
		"fedora": one(t, "guest/fedora.qed").Root(),
	}
	for _, c := range []struct{ guest, name, want string }{
		{"debian", "etc/hostname", "bookworm\n"},
		{"debian", "boot/vmlinuz-6.1.0-18-amd64", "kernel\n"},
		{"debian", "boot/efi/EFI/debian/grubx64.efi", "loader\n"},
		{"debian", "boot/efi/efi/DEBIAN/grubx64.efi", "loader\n"},
		{"debian", "home/user/note", "a note\n"},
		{"debian", "home/user/hostname", "bookworm\n"}, // out of one mount and into another
		{"debian", "home/user/far", "bookworm\n"},      // more ".." than there are directories
		{"debian", "note", "a note\n"},
		{"debian", "shared/file", "for all\n"},
		{"debian", "srv/shared/file", "for all\n"},
		{"debian", "srv/note", "a note\n"},  // a file on a file
		{"debian", "srv/same", "covered\n"}, // and not on its other name
		{"fedora", "home/user/file", "at home\n"},
		{"fedora", "usr/lib/os-release", "NAME=\"Fedora Linux\"\nID=fedora\nVERSION_ID=\"39\"\nPRETTY_NAME=\"Fedora Linux 39\"\n"},
		{"fedora", "mnt/all/home/user/file", "at home\n"},
		{"fedora", "mnt/all/snapshot of root/etc/hostname", "station\n"},
	} {
		b, err := fs.ReadFile(roots[c.guest], c.name)
		if err != nil || string(b) != c.want {
			t.Errorf("%s: %s: %q, %v", c.guest, c.name, b, err)
		}
	}
	if _, err := fs.Stat(roots["debian"], "home/hidden"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a mount covers: %v", err)
	}
	for _, name := range []string{"note/", "/etc", "../etc"} {
		if _, err := fs.Stat(roots["debian"], name); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := fs.Stat(roots["debian"], "note/x"); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("below a file: %v", err)
	}
}

func TestMountsSayWhatBecameOfThem(t *testing.T) {
	for image, want := range map[string][]string{
		"guest/debian.qed": {
			"/boot p2",
			"/boot/efi p1",
			"/home p4",
			"/srv/shared ",
			"/srv/one  problem: not a directory",
			"/srv/note ",
			"/tmp  note: made by the kernel",
			"/net  note: on another machine",
			"/media/cdrom0  note: not mounted at boot",
			"/mnt/usb  note: no such device on this disk (nofail)",
			"/mnt/gone  problem: no such device on this disk",
			"/mnt/not/there  problem: no such device on this disk",
			"/var/lib/overlay  problem: a filesystem of type overlay: unsupported",
		},
		"guest/fedora.qed": {
			"/home disk", "/var disk", "/mnt/all disk", "/srv disk problem: subvol=gone: file does not exist",
		},
	} {
		var got []string
		for _, m := range one(t, image).Mounts() {
			line := m.Point + " " + m.Volume
			if m.Note != "" {
				line += " note: " + m.Note
			}
			if m.Problem != "" {
				line += " problem: " + m.Problem
			}
			if (m.Err != nil) != (m.Problem != "") {
				t.Errorf("%s: %v, %q", m.Point, m.Err, m.Problem)
			}
			got = append(got, line)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", image, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestWhatIsMissingIsMetWhereItShouldBe(t *testing.T) {
	root := one(t, "guest/debian.qed").Root()
	problems := make(map[string]string)
	seen := make(map[string]int)
	for e, err := range root.Walk(context.Background(), ".", nil) {
		if err != nil {
			problems[e.Path] = errs.Message(err)
			continue
		}
		seen[e.Path]++
	}
	want := map[string]string{
		"mnt":             "readdir mnt: mount of /mnt/not/there: LABEL=nowhere: no such device on this disk",
		"mnt/gone":        "walk mnt/gone: /dev/sdb1: no such device on this disk",
		"srv":             "readdir srv: mount of /srv/one: not a directory",
		"var/lib/overlay": "walk var/lib/overlay: overlay: a filesystem of type overlay: unsupported",
	}
	if !maps.Equal(problems, want) {
		t.Errorf("%q", problems)
	}
	for name, n := range seen {
		if n != 1 {
			t.Errorf("%s: %d times", name, n)
		}
		if _, err := root.Lstat(name); err != nil && want[name] == "" {
			t.Error(err)
		}
	}
	for _, name := range []string{"boot/efi/EFI/debian/grubx64.efi", "srv/shared/file", "home/user/far", "mnt/usb"} {
		if seen[name] != 1 {
			t.Errorf("%s: %d times", name, seen[name])
		}
	}
	if _, err := root.Open("mnt/gone"); !errors.Is(err, guest.ErrNoDevice) {
		t.Errorf("open: %v", err)
	}
	if list, err := root.ReadDir("mnt"); len(list) != 2 || !errors.Is(err, guest.ErrNoDevice) {
		t.Errorf("%v, %v", list, err)
	}
	f, err := root.Open("mnt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := f.(fs.ReadDirFile).ReadDir(1)
	if len(list) != 1 || !errors.Is(err, guest.ErrNoDevice) {
		t.Errorf("in parts: %v, %v", list, err)
	}
	if list, err = f.(fs.ReadDirFile).ReadDir(-1); len(list) != 1 || err != nil {
		t.Errorf("the rest: %v, %v", list, err)
	}
}

func TestAWalkIsWhatTheTreeHas(t *testing.T) {
	for _, image := range []string{"guest/alpine.qed", "guest/fedora.qed", "guest/debian.qed"} {
		root := one(t, image).Root()
		for _, stat := range []bool{false, true} {
			var last string
			for e, err := range root.Walk(context.Background(), "home", &fstree.WalkOptions{Stat: stat}) {
				if err != nil {
					t.Fatal(err)
				}
				info, err := root.Lstat(e.Path)
				if err != nil {
					t.Fatal(err)
				}
				st, err := e.Stat()
				if err != nil {
					t.Fatal(err)
				}
				if st.FileID() != info.Sys().(*fstree.Stat).FileID() || e.FileID() != st.FileID() || e.Name() != info.Name() {
					t.Errorf("%s: %s is not %s", image, e.Path, info.Name())
				}
				last = e.Path
			}
			if last == "" {
				t.Errorf("%s: nothing was walked", image)
			}
		}
	}
}

func TestABoundDirectoryHasTheSameFiles(t *testing.T) {
	root := one(t, "guest/debian.qed").Root()
	id := func(name string) fstree.FileID {
		info, err := root.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Sys().(*fstree.Stat).FileID()
	}
	if a := id("home/user/shared/file"); a != id("srv/shared/file") || a != id("home/user/linked") || a == id("home/user/note") {
		t.Error("identities differ")
	}
}
