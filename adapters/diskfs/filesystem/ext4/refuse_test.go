package ext4_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ext4"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// Offsets in the superblock, which begins at byte 1024.
const (
	superIncompat   = 1024 + 0x60
	superJournalIno = 1024 + 0xE0
	superJournalDev = 1024 + 0xE4

	needsRecovery = 0x4
)

func openImage(image []byte) (*fstree.FS, error) {
	return ext4.Open(bytes.NewReader(image), int64(len(image)))
}

func TestUnknownFeaturesAreRefusedByTheirNames(t *testing.T) {
	for feature, name := range map[uint32]string{
		0x1: "compression", 0x8: "journal_dev", 0x1000: "dirdata", 0x80000: "FEATURE_I19", 0x80000000: "FEATURE_I31",
	} {
		image := fstreetest.Image(t, "ext2-1k")
		field := image[superIncompat:]
		binary.LittleEndian.PutUint32(field, binary.LittleEndian.Uint32(field)|feature)
		_, err := openImage(image)
		if !errors.Is(err, fstree.ErrUnsupported) || !strings.Contains(err.Error(), name) {
			t.Errorf("feature %#x: %v, want %s unsupported", feature, err, name)
		}
		if feature == 0x8 {
			continue // debugfs does not open journal devices
		}
		file := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(file, image, 0o600); err != nil {
			t.Fatal(err)
		}
		if out := oracle.Run(t, "dumpe2fs", "-h", "-f", file); !strings.Contains(out, name) {
			t.Errorf("feature %#x: dumpe2fs has another name than %s:\n%s", feature, name, out)
		}
	}
}

func TestAJournalDeviceIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(file, make([]byte, 8*mib), 0o600); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "mke2fs", "-q", "-F", "-b", "4096", "-O", "journal_dev", file)
	image, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openImage(image); !errors.Is(err, fstree.ErrUnsupported) || !strings.Contains(err.Error(), "journal_dev") {
		t.Error(err)
	}
}

// The kernel mounts such a volume with noload only, which leaves the journal
// out as well.
func TestAnAbsentExternalJournalIsLeftOutAndNoted(t *testing.T) {
	image := fstreetest.Image(t, "ext3-1k")
	binary.LittleEndian.PutUint32(image[superJournalIno:], 0)
	binary.LittleEndian.PutUint32(image[superJournalDev:], 0x801)
	for _, clean := range []bool{true, false} {
		if !clean {
			image[superIncompat] |= needsRecovery
		}
		fsys, err := openImage(image)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fs.Stat(fsys, "sizes/4096.bin"); err != nil {
			t.Error(err)
		}
		notes := strings.Join(fsys.Info().Notes, "\n")
		if noted := strings.Contains(notes, "journal is on another device"); noted == clean {
			t.Errorf("clean %v: notes %q", clean, notes)
		}
	}
}

func TestADamagedSuperblockIsNamed(t *testing.T) {
	for name, damage := range map[string]func(image []byte){
		"checksum":         func(image []byte) { image[1024+0x3FC]++ },
		"checksum type":    func(image []byte) { image[1024+0x175] = 9 },
		"block size":       func(image []byte) { image[1024+0x18] = 77 },
		"inodes per group": func(image []byte) { clear(image[1024+0x28 : 1024+0x2C]) },
	} {
		image := fstreetest.Image(t, "ext4-1k")
		damage(image)
		_, err := openImage(image)
		if !errors.Is(err, fstree.ErrDamaged) && !errors.Is(err, fstree.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
