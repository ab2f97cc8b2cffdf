package filesystem_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
)

// A filesystem of which the first structure is damaged is recognised, and read
// by the copy of it.
func TestADamagedBeginningHidesNoFilesystem(t *testing.T) {
	for _, c := range []struct {
		name string
		at   []int // bytes that are damaged
	}{
		{"fat-32", []int{13}},
		{"fat-32", []int{11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22}},
		{"exfat-cluster4k", []int{110}},
		{"exfat-cluster4k", []int{80}},
		{"ext4-meta-bg", []int{1024 + 0x18}},
		{"ntfs", []int{13}},
		{"ntfs", []int{12}},
		{"ufs1-le", []int{8192 + 48}},
		{"ufs1-be", []int{8192 + 1372}},
	} {
		image := fstreetest.Image(t, c.name)
		whole, err := probe.Identify(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range c.at {
			image[at] = 0x55
		}
		sig, err := probe.Identify(bytes.NewReader(image), int64(len(image)))
		if err != nil || sig.Type != whole.Type || sig.UUID != whole.UUID || sig.Label != whole.Label {
			t.Errorf("%s, %d: %+v, want %+v (%v)", c.name, c.at, sig, whole, err)
		}
		fsys, err := filesystem.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Errorf("%s, %d: %v", c.name, c.at, err)
			continue
		}
		if info := fsys.Info(); !strings.Contains(strings.Join(info.Notes, " "), "copy") || info.UUID != whole.UUID {
			t.Errorf("%s, %d: %+v", c.name, c.at, info)
		}
	}
}

// Where no copy helps, the error is of that filesystem.
func TestADamagedFilesystemIsNamed(t *testing.T) {
	for name, at := range map[string][]int{
		"fat-32": {13, 6*512 + 13}, "fat-16": {13}, "fat-12-floppy": {13}, "ntfs": {13, 16<<20 - 512 + 13},
	} {
		image := fstreetest.Image(t, name)
		for _, at := range at {
			image[at] = 0x55
		}
		sig, err := probe.Identify(bytes.NewReader(image), int64(len(image)))
		if want := map[bool]string{true: "ntfs", false: "vfat"}[name == "ntfs"]; sig.Type != want || err != nil {
			t.Errorf("%s: %+v, %v", name, sig, err)
		}
		if _, err := filesystem.Open(bytes.NewReader(image), int64(len(image))); err == nil || strings.Contains(err.Error(), "no filesystem found") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
