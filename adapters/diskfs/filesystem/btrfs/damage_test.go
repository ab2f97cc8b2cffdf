package btrfs

import (
	"bytes"
	"encoding/binary"
	"io"
	"io/fs"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

// unverified opens an image without looking at checksums.
func unverified(r io.ReaderAt, size int64) (fs.FS, error) {
	return OpenUnverified([]Device{{Reader: r, Size: size}})
}

func TestHostileImagesDoNoHarm(t *testing.T) {
	for _, name := range []string{"btrfs-mixed", "btrfs-lzo", "btrfs-zstd", "btrfs-subvolumes", "btrfs-log", "btrfs-log-names"} {
		t.Run(name, func(t *testing.T) { fstreetest.Mutate(t, name, unverified) })
	}
}

// FuzzBtrfs writes pieces of its input over an image: four bytes of offset,
// then eight bytes.
func FuzzBtrfs(f *testing.F) {
	subvolumes, log := fstreetest.Image(f, "btrfs-subvolumes"), fstreetest.Image(f, "btrfs-log-names")
	f.Add(false, []byte{})
	f.Add(true, []byte{})
	f.Add(false, binary.LittleEndian.AppendUint64([]byte{0, 0, 1, 0}, 7))
	f.Fuzz(func(t *testing.T, dirty bool, patches []byte) {
		image, metadata := subvolumes, 4<<20
		if dirty {
			image, metadata = log, 8<<20
		}
		damaged := bytes.Clone(image[:metadata])
		for ; len(patches) >= 12; patches = patches[12:] {
			off := int(binary.LittleEndian.Uint32(patches)) % len(damaged)
			copy(damaged[off:], patches[4:12])
		}
		fsys, err := unverified(bytes.NewReader(damaged), int64(len(image)))
		if err != nil {
			return
		}
		_ = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				_, _ = fs.ReadFile(fsys, name)
			}
			return nil
		})
	})
}

func FuzzLZO(f *testing.F) {
	f.Add([]byte{12, 0, 0, 0, 4, 0, 0, 0, 17, 0, 0, 0})
	f.Fuzz(func(t *testing.T, packed []byte) { _ = unlzo(make([]byte, 8192), packed, 4096) })
}
