package ufs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ufs"
)

const (
	super = 8 << 10 // where makefs has every superblock
	skips = fstreetest.SkipHoles | fstreetest.SkipBtime | fstreetest.SkipTimes
)

// committed is an image and what the kernel says, with the devices as they were made.
func committed(t *testing.T, name string) ([]byte, []fstreetest.Record) {
	t.Helper()
	image, records := fstreetest.Committed(t, name)
	for i := range records {
		devices(&records[i])
	}
	return image, records
}

// devices puts in the numbers that were given to makefs: Linux takes two bytes of them, and
// in the order of the highest bytes first not even these.
func devices(r *fstreetest.Record) {
	for name, numbers := range map[string][2]uint32{
		"special/large": {4095, 1<<20 - 1}, "special/new block": {259, 70000}, "block": {8, 255}, "char": {1, 3},
	} {
		if r.Path == name {
			r.Major, r.Minor = numbers[0], numbers[1]
		}
	}
}

func noted(fsys *fstree.FS) string { return strings.Join(fsys.Info().Notes, "\n") }

func TestTheCopyOfTheSuperblockIsUsedWhereTheFirstIsDamaged(t *testing.T) {
	for _, tt := range []struct {
		name, what, note string
		damage           func(sb []byte)
	}{
		{"ufs1-le", "size of blocks", "is damaged and its copy at byte 16384 is used", func(b []byte) { b[48] = 1 }},
		{"ufs1-be", "size of fragments", "copy at byte 16384", func(b []byte) { b[52] = 1 }},
		{"ufs2-le", "groups", "copy at byte 16384", func(b []byte) { clear(b[44:48]) }},
		{"ufs2-be", "place", "it says that it lies at byte", func(b []byte) { b[1007]++ }},
		{"ufs2-be", "all but the magic number", "copy at byte 16384", func(b []byte) { clear(b[:1372]) }},
		{"ufs1-le", "everything", "is lost and its copy at byte 16384 is used", func(b []byte) { clear(b) }},
		{"ufs2-be", "everything, twice", "is lost and its copy at byte 16384 is used", func(b []byte) { clear(b) }},
	} {
		t.Run(tt.name+" "+tt.what, func(t *testing.T) {
			image, records := committed(t, tt.name)
			if strings.HasPrefix(tt.name, "ufs2") {
				clear(image[64<<10:][:1376]) // what was put there for Linux
			}
			tt.damage(image[super:][:1376])
			fsys, err := filesystem.Open(bytes.NewReader(image), int64(len(image))) // it is recognised, too
			if err != nil {
				t.Fatal(err)
			}
			fstreetest.Compare(t, fsys, records, skips)
			if notes := noted(fsys); !strings.Contains(notes, tt.note) {
				t.Errorf("notes %q", notes)
			}
			if id := fsys.Info().UUID; !strings.Contains(tt.what, "all") && !strings.Contains(tt.what, "everything") && len(id) != 16 {
				t.Errorf("UUID %q", id)
			}
		})
	}
}

func TestACopyOfTheSuperblockIsNotUsedForAnotherFilesystem(t *testing.T) {
	const backup = 16 << 10
	for what, damage := range map[string]func(image []byte){
		"another identity":  func(b []byte) { b[super+48] = 1; b[super+144]++ },
		"damaged too":       func(b []byte) { b[super+48] = 1; b[backup+48] = 1 },
		"none":              func(b []byte) { b[super+48] = 1; clear(b[backup:][:1376]) },
		"of another place":  func(b []byte) { b[super+48] = 1; b[backup+8]++ },
		"of another length": func(b []byte) { b[super+48] = 1; b[backup+49], b[backup+52], b[backup+53] = 0x20, 0, 4 },
	} {
		image := fstreetest.Image(t, "ufs1-le")
		damage(image)
		if _, err := ufs.Open(bytes.NewReader(image), int64(len(image))); !errors.Is(err, fstree.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	zeroes := make([]byte, 1<<20)
	if _, err := ufs.Open(bytes.NewReader(zeroes), 1<<20); !errors.Is(err, fstree.ErrNotThis) {
		t.Errorf("zeroes: %v", err)
	}
}

// A copy of UFS1 in blocks of 64 KiB lies where UFS2 has its superblock.
func TestNumbersThatCannotBeAreRefused(t *testing.T) {
	le := binary.LittleEndian
	for why, damage := range map[string]func(sb []byte){
		"blocks of 2048 bytes":     func(b []byte) { le.PutUint32(b[48:], 2048); le.PutUint32(b[56:], 4) },
		"blocks of 131072 bytes":   func(b []byte) { le.PutUint32(b[48:], 1<<17) },
		"8 fragments of 256 bytes": func(b []byte) { le.PutUint32(b[52:], 256) },
		"4 fragments of 512 bytes": func(b []byte) { le.PutUint32(b[56:], 4) },
		"inodes from fragment 0":   func(b []byte) { le.PutUint32(b[16:], 0) },
		"groups of 0 fragments":    func(b []byte) { le.PutUint32(b[188:], 0) },
		"100 groups":               func(b []byte) { le.PutUint32(b[44:], 100) },
		"0 groups":                 func(b []byte) { le.PutUint32(b[44:], 0) },
		"with 1048576 inodes":      func(b []byte) { le.PutUint32(b[184:], 1<<20) },
		"of -1":                    func(b []byte) { le.PutUint32(b[36:], 1<<32-1) },
		"-1 fragments of":          func(b []byte) { le.PutUint32(b[40:], 1<<32-1) },
		"fragments later":          func(b []byte) { le.PutUint32(b[24:], 1<<30) },
	} {
		image := fstreetest.Image(t, "ufs1-le")
		clear(image[16<<10:][:1376])
		damage(image[super:])
		if _, err := ufs.Open(bytes.NewReader(image), int64(len(image))); !errors.Is(err, fstree.ErrDamaged) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

func TestWhatAReaderShouldKnowIsNoted(t *testing.T) {
	le := binary.LittleEndian
	const clean, flags, snapshots, wapbl = 209, 1312, 1116, 1208
	for _, tt := range []struct {
		note   string
		dirty  bool
		change func(sb []byte)
	}{
		{"", false, func([]byte) {}},
		{"the filesystem was not unmounted cleanly", true, func(b []byte) { b[clean] = 0 }},
		{"the filesystem was not unmounted cleanly", true, func(b []byte) { b[clean] = 2 }}, // NetBSD: it was clean
		{"the filesystem was not unmounted cleanly (it has soft updates)", true, func(b []byte) { b[clean] = 0; b[flags] = 2 }},
		{"the filesystem was not unmounted cleanly, and its journal of soft updates is not replayed", true, func(b []byte) { b[clean] = 0; b[flags] = 2 | 8 }},
		{"the filesystem was not unmounted cleanly, and its journal (gjournal) is not replayed", true, func(b []byte) { b[clean] = 0; b[flags] = 0x40 }},
		{"the filesystem was not unmounted cleanly, and its journal (WAPBL) is not replayed", true, func(b []byte) { b[clean] = 0; b[wapbl], b[wapbl+4] = 1, 2 }},
		{"the filesystem was not unmounted cleanly", true, func(b []byte) { b[clean] = 0; b[wapbl], b[wapbl+4] = 1, 3 }},
		{"the filesystem was not unmounted cleanly", true, func(b []byte) { b[clean] = 0; b[211], b[flags] = 0, 8 }}, // the flags are elsewhere
		{"", false, func(b []byte) { b[flags] = 2 | 8 }},
		{"the filesystem is marked as damaged: it needs fsck", false, func(b []byte) { b[flags] = 4 }},
		{"the filesystem has 2 snapshots, whose contents are not read", false, func(b []byte) { b[snapshots], b[snapshots+4] = 30, 31 }},
		{"", false, func(b []byte) { // of Solaris, and stable
			b[clean] = 2
			le.PutUint32(b[1336:], 0x7c269d38-le.Uint32(b[32:]))
		}},
		{"the filesystem has a log of Solaris, which is not replayed", false, func(b []byte) {
			b[clean] = 0xfd
			le.PutUint32(b[1336:], 0x7c269d38-le.Uint32(b[32:]))
		}},
	} {
		image := fstreetest.Image(t, "ufs1-le")
		tt.change(image[super:])
		info := opened(t, image).Info()
		if got := strings.Join(info.Notes, "\n"); got != tt.note || info.Dirty != tt.dirty || (info.FreeErr != nil) != tt.dirty {
			t.Errorf("notes %q, dirty %v, %v; want %q", got, info.Dirty, info.FreeErr, tt.note)
		}
	}
}

func TestTheVolumeIsDescribed(t *testing.T) {
	image := fstreetest.Image(t, "ufs2-le")
	copy(image[super+680:], "data  \x00x")
	binary.LittleEndian.PutUint32(image[super+1372:], 0x19012038) // of NetBSD, with attributes
	copy(image[64<<10:][:1376], image[super:])
	info := opened(t, image).Info()
	if info.Label != "data" || info.Type != "ufs" || info.BlockSize != 512 || len(info.UUID) != 16 || info.Dirty {
		t.Errorf("%+v", info)
	}
	sb := image[super:]
	le := binary.LittleEndian
	free := int64(le.Uint64(sb[1016:]))*4096 + int64(le.Uint64(sb[1032:]))*512
	if info.Free != free || info.Size != int64(le.Uint64(sb[1088:]))*512 || info.FreeFiles != le.Uint64(sb[1024:]) || info.Files != uint64(le.Uint32(sb[184:]))*uint64(le.Uint32(sb[44:])) {
		t.Errorf("%+v", info)
	}
	image = fstreetest.Image(t, "ufs1-be")
	be := binary.BigEndian
	sb, info = image[super:], opened(t, image).Info()
	free = int64(be.Uint32(sb[196:]))*8192 + int64(be.Uint32(sb[204:]))*1024
	if info.Free != free || info.Size != int64(be.Uint32(sb[40:]))*1024 || info.FreeFiles != uint64(be.Uint32(sb[200:])) || info.Label != "" {
		t.Errorf("%+v", info)
	}
}
