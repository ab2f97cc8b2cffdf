package btrfs_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// copied makes copies of images.
func copied(t *testing.T, images []string) (copies []string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range images {
		to := filepath.Join(dir, filepath.Base(name))
		oracle.Run(t, "cp", "--sparse=always", name, to)
		copies = append(copies, to)
	}
	return copies
}

// compareNoted compares what is read of images with what the kernel reads of them,
// and returns the notes.
func compareNoted(t *testing.T, images []string, records []fstreetest.Record) string {
	t.Helper()
	fsys, err := opened(t, images...)
	if err != nil {
		t.Fatal(err)
	}
	fstreetest.Compare(t, fsys, records, 0)
	return strings.Join(fsys.Info().Notes, "\n")
}

// A device that was not there for a while has old nodes with good checksums, and
// old data of files that have none.
func TestADeviceThatHasMissedChangesIsNotBelieved(t *testing.T) {
	for _, l := range []layout{
		{"raid1", 2, []string{"-m", "raid1", "-d", "raid1"}, "", 1, true},
		{"raid1 without data checksums", 3, []string{"-m", "raid1c3", "-d", "raid1c3"}, "nodatasum", 1, true},
		{"raid6", 4, []string{"-m", "raid6", "-d", "raid6"}, "", 1, true},
	} {
		t.Run(l.name, func(t *testing.T) {
			skipUnlessLong(t, l.name, "raid1", "raid1 without data checksums")
			images := formatted(t, l, func(tb testing.TB, dir string) { fillMarked(tb, dir) })
			for which := range 2 {
				changed := copied(t, images)
				mounted(t, without(changed, which), "degraded", func(dir string) {
					if err := os.RemoveAll(filepath.Join(dir, "special")); err != nil {
						t.Fatal(err)
					}
					f, err := os.OpenFile(filepath.Join(dir, markers), os.O_RDWR, 0)
					if err != nil {
						t.Fatal(err)
					}
					defer f.Close()
					// In place, where that is what the file is.
					if _, err := f.WriteAt(bytes.Repeat([]byte("changed "), 10000), 70000); err != nil {
						t.Fatal(err)
					}
				})
				records := manifest(t, without(changed, which), "ro,degraded")
				for turn := range 2 {
					order := append(slices.Clone(changed[turn:]), changed[:turn]...)
					notes := compareNoted(t, order, records)
					if !strings.Contains(notes, filepath.Base(changed[which])+" (device ") || !strings.Contains(notes, "has missed changes (generation ") {
						t.Errorf("notes %q", notes)
					}
				}
			}
		})
	}
}

func TestDevicesThatWereReplacedOrRemovedAreLeftOut(t *testing.T) {
	l := layout{"raid1", 3, []string{"-m", "raid1", "-d", "raid1"}, "", 1, true}
	images := formatted(t, l, fillMarked)
	lost := copied(t, images[:1])[0] // as it was before
	spare := filepath.Join(t.TempDir(), "spare")
	oracle.Run(t, "truncate", "-s", "300M", spare)
	loop := attached(t, []string{spare})
	mounted(t, images[1:], "degraded", func(dir string) {
		oracle.Run(t, "btrfs", "replace", "start", "-B", "-f", "1", loop[0], dir)
	})
	detach(t, loop)
	now := []string{images[1], images[2], spare}
	records := manifest(t, now, "ro")
	if notes := compareNoted(t, now, records); notes != "" {
		t.Errorf("notes %q", notes)
	}
	// The new device has taken over the number and the UUID.
	notes := compareNoted(t, append([]string{lost}, now...), records)
	if !strings.HasPrefix(notes, "0 (device 1 (UUID ") || !strings.Contains(notes, ") is left out: spare (device 1 (UUID ") {
		t.Errorf("notes %q", notes)
	}

	before := copied(t, []string{images[2]})[0]
	mounted(t, now, "", func(dir string) { oracle.Run(t, "btrfs", "device", "remove", "3", dir) })
	now = []string{spare, images[1]}
	records = manifest(t, now, "ro")
	if notes := compareNoted(t, now, records); notes != "" {
		t.Errorf("notes %q", notes)
	}
	notes = compareNoted(t, []string{before, spare, images[1]}, records)
	if !strings.HasPrefix(notes, "2 (device 3 (UUID ") || !strings.HasSuffix(notes, "is left out: the filesystem does not use it any more") {
		t.Errorf("notes %q", notes)
	}
	if _, err := opened(t, images[2]); err == nil {
		t.Error("a device whose superblock was wiped is opened")
	}
}

// A filesystem grows by a device, is converted, and has chunks of several
// profiles for a time.
func TestAFilesystemThatIsConvertedHasSeveralProfiles(t *testing.T) {
	l := layout{"single", 1, []string{"-d", "single"}, "", 0, false}
	images := formatted(t, l, fillMarked)
	more := filepath.Join(t.TempDir(), "more")
	oracle.Run(t, "truncate", "-s", "300M", more)
	loop := attached(t, []string{more})
	mounted(t, images, "", func(dir string) {
		oracle.Run(t, "btrfs", "device", "add", "-f", loop[0], dir)
		oracle.Run(t, "btrfs", "balance", "start", "-mconvert=raid1", dir)
		oracle.Run(t, "btrfs", "balance", "start", "-dconvert=raid0,limit=1", dir)
	})
	detach(t, loop)
	all := append(images, more)
	if notes := compareNoted(t, all, manifest(t, all, "ro")); notes != "" {
		t.Errorf("notes %q", notes)
	}
}
