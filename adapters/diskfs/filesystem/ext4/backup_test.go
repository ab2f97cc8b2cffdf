package ext4_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

// The copies show the tree that the first show, and are noted.
func TestCopiesOfSuperblockAndDescriptorsAreUsedWhereTheFirstAreDamaged(t *testing.T) {
	const super, descriptors = 1024, 2048
	for _, tt := range []struct {
		what, image, note string
		damage            func(image []byte)
	}{
		{"checksum of the superblock", "ext4-no-flex-bg", "its copy in block 1025 is used", func(b []byte) { b[super+0x10]++ }},
		{"size of blocks", "ext4-no-flex-bg", "copy in block 1025", func(b []byte) { b[super+0x18] = 77 }},
		{"blocks in a group", "ext4-no-flex-bg", "copy in block 1025", func(b []byte) { b[super+0x20] = 77 }},
		{"all but the magic number", "crash-ext4-data-journal", "copy in block 8193", func(b []byte) {
			clear(b[super : super+0x38])
			clear(b[super+0x3A : super+1024])
			b[super+0x18] = 77
		}},
		{"superblock with meta_bg", "ext4-meta-bg", "copy in block 513", func(b []byte) { b[super+0x10]++ }},
		{"superblock, and a journal", "crash-ext4-data-journal", "copy in block 8193", func(b []byte) { b[super+0x18] = 77 }},
		{"a descriptor", "ext4-no-flex-bg", "1 group descriptors are damaged and their copies are used", func(b []byte) {
			binary.LittleEndian.PutUint32(b[descriptors+8:], 1<<31)
		}},
		{"all descriptors", "ext4-no-flex-bg", "group descriptors are damaged and their copies are used", func(b []byte) {
			clear(b[descriptors : descriptors+1024])
		}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			image, records := fstreetest.Committed(t, tt.image)
			tt.damage(image)
			fsys, err := openImage(image)
			if err != nil {
				t.Fatal(err)
			}
			fstreetest.Compare(t, fsys, records, 0)
			if notes := strings.Join(fsys.Info().Notes, "\n"); !strings.Contains(notes, tt.note) {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

func TestACopyOfTheSuperblockIsNotUsedForAnotherFilesystem(t *testing.T) {
	const super, backup = 1024, 1025 * 1024
	for what, damage := range map[string]func(image []byte){
		"another UUID":       func(b []byte) { b[super+0x68]++ },
		"of another group":   func(b []byte) { b[super+0x10]++; b[backup+0x5A]++ },
		"damaged too":        func(b []byte) { b[super+0x10]++; b[backup+0x10]++ },
		"none":               func(b []byte) { b[super+0x10]++; clear(b[backup : backup+1024]) },
		"of another version": func(b []byte) { b[super+0x10]++; b[backup+0x18]++ },
	} {
		image := fstreetest.Image(t, "ext4-no-flex-bg")
		damage(image)
		if _, err := openImage(image); !errors.Is(err, fstree.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// What has no magic number is not a damaged one.
	image := fstreetest.Image(t, "ext4-no-flex-bg")
	clear(image[super : super+1024])
	if _, err := openImage(image); !errors.Is(err, fstree.ErrNotThis) {
		t.Error(err)
	}
}
