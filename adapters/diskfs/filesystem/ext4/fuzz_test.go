package ext4_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ext4"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

// FuzzExt4 lists and reads whatever opens. A fuzzer gets nowhere with an image
// of megabytes: its input is a list of changes to one of the committed images,
// five bytes each, three for the place in blocks of 64 bytes that are in use,
// and two for what is written there.
func FuzzExt4(f *testing.F) {
	names := []string{"ext2-rev0", "ext3-1k", "ext4-no-csum", "ext4-inline-data", "ext4-bigalloc", "crash-ext4-no-csum"}
	var images [][]byte
	var used [][]int
	for i, name := range names {
		image := fstreetest.Image(f, name)
		var places []int
		for at := 0; at+64 <= len(image); at += 64 {
			if b := image[at:][:64]; bytes.Count(b, b[:1]) != len(b) {
				places = append(places, at)
			}
		}
		images, used = append(images, image), append(used, places)
		f.Add(uint8(i), []byte{0, 0, 0, 0, 0})
		f.Add(uint8(i), []byte{0, 0, 0x18, 0xFF, 6, 1, 0, 0x28, 0, 0})
	}
	f.Fuzz(func(t *testing.T, which uint8, changes []byte) {
		i := int(which) % len(images)
		image := bytes.Clone(images[i])
		for ; len(changes) >= 5; changes = changes[5:] {
			place := used[i][(int(changes[0])<<8|int(changes[1]))%len(used[i])]
			copy(image[place+int(changes[2])%63:], changes[3:5])
		}
		readAll(t, image)
	})
}

// FuzzOpen feeds whole images, which have to begin with what fits in a
// superblock; it finds what the parser of that makes of nonsense.
func FuzzOpen(f *testing.F) {
	for _, name := range []string{"ext2-1k", "ext4-1k", "ext4-meta-bg"} {
		f.Add(fstreetest.Image(f, name)[1024:2048])
	}
	f.Fuzz(func(t *testing.T, super []byte) {
		image := make([]byte, 64<<10)
		copy(image[1024:], super)
		readAll(t, image)
	})
}

func readAll(t *testing.T, image []byte) {
	vol, err := ext4.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		return
	}
	vol.Info()
	n := 0
	for e, err := range vol.Walk(context.Background(), ".", nil) {
		if n++; n > len(image)/8 {
			t.Fatal("more entries than the image can hold")
		}
		if err != nil {
			continue
		}
		st, err := e.Stat()
		if err != nil {
			continue
		}
		_, _ = st.Xattrs()
		_, _ = vol.ReadLink(e.Path)
		if f, err := vol.Open(e.Path); err == nil {
			if _, ok := f.(fstree.File); ok {
				_, _ = io.CopyN(io.Discard, f, 1<<16)
			}
			_ = f.Close()
		}
	}
}
