package fat_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fat"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

func TestTheCopyOfTheBootSectorIsUsedWhereTheFirstIsDamaged(t *testing.T) {
	const copyAt = 6 * 512
	for what, at := range map[string]int{"sectors in a cluster": 13, "sector": 12, "media": 21, "reserved sectors": 14} {
		image, records := fstreetest.Committed(t, "fat-32")
		image[at] = 0x55
		if what == "reserved sectors" {
			image[at], image[at+1] = 0, 0
		}
		fsys, err := fat.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		fstreetest.Compare(t, fsys, records, skip)
		if notes := fsys.Info().Notes; len(notes) != 1 || !strings.Contains(notes[0], "its copy is used") {
			t.Errorf("%s: notes %q", what, notes)
		}
		image[copyAt+13] = 0x55
		if _, err := fat.Open(bytes.NewReader(image), int64(len(image))); !errors.Is(err, fstree.ErrNotThis) {
			t.Errorf("%s, and the copy: %v", what, err)
		}
	}
	// The copy may be left of what there was before.
	image := fstreetest.Image(t, "fat-32")
	clear(image[:512])
	if _, err := fat.Open(bytes.NewReader(image), int64(len(image))); !errors.Is(err, fstree.ErrNotThis) {
		t.Errorf("no boot sector: %v", err)
	}
}
