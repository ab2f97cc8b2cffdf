package xfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/xfs"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func TestInfoIsWhatMkfsWasTold(t *testing.T) {
	const uuid = "12345678-9abc-def0-1234-56789abcdef0"
	c := config("info", 32, fstreetest.Tree{Plain: true}, "-L", "twelve chars", "-m", "uuid="+uuid, "-b", "size=2k")
	image, _ := fstreetest.Build(t, c)
	fsys, err := xfs.Open(image, c.Size)
	if err != nil {
		t.Fatal(err)
	}
	got := fsys.Info()
	if got.Type != "xfs" || got.Label != "twelve chars" || got.UUID != uuid || got.BlockSize != 2048 || got.Dirty || len(got.Notes) > 0 {
		t.Errorf("got %+v", got)
	}
}

func TestSizesAreThoseOfStatfs(t *testing.T) {
	oracle.Root(t)
	// Newer features reserve free blocks when the kernel mounts, which the
	// superblock knows nothing of.
	c := config("sizes", 32, fstreetest.Tree{Plain: true}, "-m", "reflink=0,rmapbt=0,finobt=0")
	image, _ := fstreetest.Build(t, c)
	fsys, err := xfs.Open(image, c.Size)
	if err != nil {
		t.Fatal(err)
	}
	mnt := t.TempDir()
	oracle.Run(t, "mount", "-t", "xfs", "-o", "loop,ro,nouuid", image.(*os.File).Name(), mnt)
	defer oracle.Run(t, "umount", mnt)
	var want syscall.Statfs_t
	if err := syscall.Statfs(mnt, &want); err != nil {
		t.Fatal(err)
	}
	got := fsys.Info()
	if got.Size != int64(want.Blocks)*int64(want.Bsize) || got.Free != int64(want.Bfree)*int64(want.Bsize) {
		t.Errorf("size %d and free %d, want %d and %d", got.Size, got.Free, int64(want.Blocks)*int64(want.Bsize), int64(want.Bfree)*int64(want.Bsize))
	}
	if got.Files != want.Files || got.FreeFiles != want.Ffree {
		t.Errorf("%d files and %d free, want %d and %d", got.Files, got.FreeFiles, want.Files, want.Ffree)
	}
}

func TestLogOnAnotherDeviceIsNoted(t *testing.T) {
	dir := t.TempDir()
	data, log := filepath.Join(dir, "data"), filepath.Join(dir, "log")
	const size = 320 << 20
	err := errors.Join(os.WriteFile(data, nil, 0o600), os.Truncate(data, size), os.WriteFile(log, nil, 0o600), os.Truncate(log, 64<<20))
	if err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, oracle.Tool(t, "mkfs.xfs"), "-q", "-l", "size=64m,logdev="+log, data)
	image, err := os.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	fsys, err := xfs.Open(image, size)
	if err != nil {
		t.Fatal(err)
	}
	if notes := fsys.Info().Notes; len(notes) != 1 || !strings.Contains(notes[0], "another device") {
		t.Errorf("notes %q", notes)
	}
	if entries, err := fsys.ReadDir("."); err != nil || len(entries) != 0 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}

func TestRealtimeFileIsListedAndNotOpened(t *testing.T) {
	name := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(name, fstreetest.Image(t, "xfs-ordinary"), 0o600); err != nil {
		t.Fatal(err)
	}
	image, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	ino := stat(t, image, "large").Ino
	oracle.Run(t, oracle.Tool(t, "xfs_db"), "-x", "-c", fmt.Sprint("inode ", ino), "-c", "write core.realtime 1", name)
	info, err := image.Stat()
	if err != nil {
		t.Fatal(err)
	}
	fsys, err := xfs.Open(image, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	if st, err := fsys.Stat("large"); err != nil || st.Size() != 500001 {
		t.Errorf("%v, %v", st, err)
	}
	if _, err := fs.ReadFile(fsys, "large"); !errors.Is(err, fstree.ErrUnsupported) {
		t.Errorf("reading: %v", err)
	}
}

func TestWhatIsNotXFSIsSaid(t *testing.T) {
	for _, volume := range [][]byte{nil, make([]byte, 100), make([]byte, 4096), []byte(strings.Repeat("XFS", 1000))} {
		if _, err := xfs.Open(bytes.NewReader(volume), int64(len(volume))); !errors.Is(err, fstree.ErrNotThis) {
			t.Errorf("%d bytes: %v", len(volume), err)
		}
	}
}

func TestUnknownFeaturesAreRefusedByName(t *testing.T) {
	image := fstreetest.Image(t, "xfs-ordinary")
	refused := func(at int, value byte, name string) {
		t.Helper()
		changed := bytes.Clone(image)
		changed[at] = value
		_, err := xfs.Open(bytes.NewReader(changed), int64(len(changed)))
		if !errors.Is(err, fstree.ErrUnsupported) || !strings.Contains(err.Error(), name) {
			t.Errorf("byte %d set to %#x: %v, want %q", at, value, err, name)
		}
	}
	refused(101, 0xb3, "version 3")
	refused(218, 0x01, "metadata directory tree")
	refused(218, 0x02, "zoned")
	refused(216, 0x80, "incompatible feature bit 31")
}

func TestDamageIsSaidWithItsPlace(t *testing.T) {
	image := fstreetest.Image(t, "xfs-ordinary")
	fsys, err := xfs.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	info, err := fsys.Stat("etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	ino := info.Sys().(*fstree.Stat).Ino
	// The image has one group's inodes before everything else, so that the
	// number alone tells the place: 512-byte inodes in 1 KiB blocks.
	changed := bytes.Clone(image)
	changed[ino*512+60] ^= 1
	fsys, err = xfs.Open(bytes.NewReader(changed), int64(len(changed)))
	if err != nil {
		t.Fatal(err)
	}
	_, err = fsys.Stat("etc/passwd")
	var damage *fstree.DamageError
	if !errors.As(err, &damage) || damage.Block != int64(ino/2) || !strings.Contains(damage.Structure, "inode") {
		t.Errorf("got %v, want damage in block %d", err, ino/2)
	}
	if _, err := fsys.Stat("etc/link"); err != nil && !errors.Is(err, fstree.ErrDamaged) {
		t.Errorf("its neighbour: %v", err)
	}
	if entries, err := fsys.ReadDir("many"); err != nil || len(entries) != 100 {
		t.Errorf("another directory: %d entries, %v", len(entries), err)
	}
}
