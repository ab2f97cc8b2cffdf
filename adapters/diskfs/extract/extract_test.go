package extract_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	pathpkg "path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/extract"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

func openImage(tb testing.TB, image []byte) *imagefs.Tree {
	tb.Helper()
	raw, err := qedfile.NewRaw(backend.NewMemory(image))
	if err != nil {
		tb.Fatal(err)
	}
	disk, err := imagefs.OpenDisk(raw, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return disk.FS()
}

func openCommitted(tb testing.TB, name string) *imagefs.Tree {
	tb.Helper()
	disk, err := imagefs.Open(filepath.Join("../../../testdata", name), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { disk.Close() })
	return disk.FS()
}

// run copies, and returns the problems as "path: error".
func run(tb testing.TB, tree *imagefs.Tree, dest string, opts extract.Options, sources ...string) []string {
	tb.Helper()
	var problems []string
	opts.Problem = func(path string, err error) { problems = append(problems, path+": "+err.Error()) }
	if err := extract.Copy(tb.Context(), tree, sources, dest, &opts); err != nil {
		tb.Fatal(err)
	}
	return problems
}

func TestWithoutFlagsSetuidOwnersAndDevicesAreLeftOut(t *testing.T) {
	image, records := fstreetest.Committed(t, "ext4-1k")
	dir := t.TempDir()
	run(t, openImage(t, image), dir, extract.Options{}, "disk")
	setuid, special := 0, 0
	for _, r := range records {
		mode := fstree.UnixMode(r.Mode)
		st, err := os.Lstat(filepath.Join(dir, "disk", fstree.UnescapeName(r.Path)))
		switch {
		case mode.Type()&(fs.ModeDevice|fs.ModeNamedPipe|fs.ModeSocket) != 0:
			special++
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v was made", r.Path, mode)
			}
		case err != nil:
			t.Error(err)
		case mode.Type() != fs.ModeSymlink:
			if mode&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
				setuid++
			}
			if want := mode &^ (fs.ModeSetuid | fs.ModeSetgid); st.Mode() != want {
				t.Errorf("%s: mode %v, want %v", r.Path, st.Mode(), want)
			}
		}
	}
	if setuid == 0 || special == 0 {
		t.Errorf("%d files with setuid and %d special ones: nothing was proved", setuid, special)
	}
}

func TestDestinations(t *testing.T) {
	tree := openCommitted(t, "gpt.qed")
	dir := t.TempDir()
	for _, c := range []struct {
		sources []string
		dest    string
		want    string // a file that is there then
	}{
		{[]string{"p2/etc/hostname"}, ".", "hostname"},
		{[]string{"p2/etc/hostname"}, "name", "name"},
		{[]string{"p2/etc"}, ".", "etc/app/config.yaml"},
		{[]string{"p2/etc"}, "config", "config/app/config.yaml"},
		{[]string{"p2"}, "root", "root/usr/bin/hello"},
		{[]string{"p1", "p2/usr/bin/hello"}, ".", "p1/EFI/BOOT/BOOTX64.EFI"},
		{[]string{"."}, "all", "all/p1/EFI/BOOT/BOOTX64.EFI"},
	} {
		if problems := run(t, tree, filepath.Join(dir, c.dest), extract.Options{}, c.sources...); len(problems) > 0 {
			t.Errorf("%v to %s: %q", c.sources, c.dest, problems)
		}
		if _, err := os.Stat(filepath.Join(dir, c.want)); err != nil {
			t.Errorf("%v to %s: %v", c.sources, c.dest, err)
		}
	}
	opts := &extract.Options{Problem: func(string, error) {}}
	for _, c := range []struct{ sources, dest string }{
		{"p1 p2", "hostname"}, {"p1 p2", "missing"}, {".", "hostname"}, {"p2/etc/hostname", "missing/name"},
	} {
		if err := extract.Copy(t.Context(), tree, strings.Fields(c.sources), filepath.Join(dir, c.dest), opts); err == nil {
			t.Errorf("%s to %s: no error", c.sources, c.dest)
		}
	}
}

func TestWhatExistsIsReplacedOnlyByForce(t *testing.T) {
	tree := openCommitted(t, "gpt.qed")
	dir := t.TempDir()
	name := filepath.Join(dir, "hostname")
	write(t, name, "mine")
	if p := run(t, tree, dir, extract.Options{}, "p2/etc/hostname"); !slices.Equal(p, []string{"p2/etc/hostname: exists already"}) {
		t.Errorf("problems %q", p)
	}
	check(t, name, "mine")
	if p := run(t, tree, dir, extract.Options{Force: true}, "p2/etc/hostname"); len(p) > 0 {
		t.Errorf("problems %q", p)
	}
	check(t, name, "example\n")
}

// symlink makes a symbolic link. Windows asks a right for it that a user may
// lack; then the test says so and ends. Elsewhere it cannot fail.
func symlink(t *testing.T, target, name string) {
	t.Helper()
	switch err := os.Symlink(target, name); {
	case err != nil && runtime.GOOS == "windows":
		t.Skip("symbolic links need a right that this user lacks: ", err)
	case err != nil:
		t.Fatal(err)
	}
}

func TestNothingIsWrittenThroughALinkThatLeadsOut(t *testing.T) {
	tree := openCommitted(t, "gpt.qed")
	for _, force := range []bool{false, true} {
		outside, dir := t.TempDir(), t.TempDir()
		write(t, filepath.Join(outside, "hostname"), "mine")
		for _, l := range []struct{ target, name string }{
			{outside, "etc"}, {filepath.Join(outside, "hostname"), "hostname"}, {outside, "usr"},
		} {
			symlink(t, l.target, filepath.Join(dir, l.name))
		}
		run(t, tree, dir, extract.Options{Force: force}, "p2/etc", "p2/etc/hostname", "p2/usr")
		check(t, filepath.Join(outside, "hostname"), "mine")
		if list, err := os.ReadDir(outside); len(list) != 1 || err != nil {
			t.Errorf("force %v: %v, %v were written outside", force, list, err)
		}
	}
}

func TestASourceThatIsALinkIsFollowedOrCopied(t *testing.T) {
	tree := openCommitted(t, "gpt.qed")
	dir := t.TempDir()
	run(t, tree, dir, extract.Options{Follow: true}, "p2/etc/hello")
	check(t, filepath.Join(dir, "hello"), "#!/bin/sh\necho hello\n")
	run(t, tree, dir, extract.Options{Force: true}, "p2/etc/hello")
	if target, err := os.Readlink(filepath.Join(dir, "hello")); filepath.ToSlash(target) != "../usr/bin/hello" {
		t.Errorf("%q, %v", target, err)
	}
}

func TestADamagedFileLeavesNothingBehind(t *testing.T) {
	image := fstreetest.Image(t, "ext4-1k")
	raw, err := qedfile.NewRaw(failing{backend.NewMemory(image)})
	if err != nil {
		t.Fatal(err)
	}
	disk, err := imagefs.OpenDisk(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	problems := run(t, disk.FS(), dir, extract.Options{}, "disk")
	if len(problems) == 0 {
		t.Fatal("no problem: nothing was proved")
	}
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".partial") {
			t.Errorf("%s was left behind", name)
		}
		if errors.Is(err, fs.ErrPermission) { // a directory of mode 0, which only root may look into
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		name, why, _ := strings.Cut(p, ": ")
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil && strings.Contains(why, errBroken.Error()) && !strings.Contains(why, "readdir") {
			t.Errorf("%s is there, although %s", name, why)
		}
		if strings.Contains(why, name) || strings.Contains(why, "\n") {
			t.Errorf("a problem tells its path twice, or takes several lines: %q", p)
		}
	}
}

func TestAnInterruptedCopyLeavesNoPartOfAFile(t *testing.T) {
	tree := openCommitted(t, "gpt.qed")
	dir := t.TempDir()
	ctx, interrupt := context.WithCancel(t.Context())
	opts := &extract.Options{
		Problem:  func(path string, err error) { t.Errorf("%s: %v", path, err) },
		Progress: func(int64) { interrupt() },
	}
	// Files are written side by side. One of a single run is complete when the
	// interruption is seen, and none is there in part.
	err := extract.Copy(ctx, tree, []string{"p2/var/log/messages", "p2/etc"}, dir, opts)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	whole := 0
	for host, inside := range map[string]string{"messages": "p2/var/log/messages", "etc": "p2/etc"} {
		err := filepath.WalkDir(filepath.Join(dir, host), func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			rel, err := filepath.Rel(filepath.Join(dir, host), path)
			if err != nil {
				return err
			}
			got, err := os.ReadFile(path)
			want, wantErr := fs.ReadFile(tree, pathpkg.Join(inside, filepath.ToSlash(rel)))
			if err != nil || wantErr != nil || !bytes.Equal(got, want) {
				t.Errorf("%s has %d of %d bytes, %v, %v", path, len(got), len(want), err, wantErr)
			}
			whole++
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
	if whole == 0 {
		t.Error("nothing is there")
	}
}

var errBroken = errors.New("broken disk")

// failing is a disk whose second half cannot be read in large pieces.
type failing struct{ *backend.Memory }

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if size, _ := f.Size(); off > size/2 && len(p) < 60<<10 && len(p) > 4<<10 {
		return 0, errBroken
	}
	return f.Memory.ReadAt(p, off)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, name, want string) {
	t.Helper()
	if b, err := os.ReadFile(name); string(b) != want || err != nil {
		t.Errorf("%s: %q, %v, want %q", name, b, err, want)
	}
}

func TestANilErrorMeansThatDevicesPipesAndSocketsAreThere(t *testing.T) {
	image, _ := fstreetest.Committed(t, "iso9660-rock-ridge")
	err := extract.Copy(t.Context(), openImage(t, image), []string{"disk"}, t.TempDir(), nil)
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("the error is %v", err)
	}
	special := 0
	for _, err := range joined.Unwrap() {
		if errors.Is(err, extract.ErrSpecial) {
			special++
		}
	}
	if special != 4 {
		t.Errorf("%d special files are missed, of 4: %v", special, err)
	}
}
