package btrfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/btrfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// places are where the marked sectors lie in the images: the image's number and
// the offset.
func places(t *testing.T, images []string) map[int][][2]int64 {
	t.Helper()
	found := make(map[int][][2]int64)
	for i, name := range images {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b := make([]byte, 1<<20)
		for at := int64(0); ; {
			// What was never written is no part of the file.
			if at, err = f.Seek(at, unix.SEEK_DATA); err != nil {
				break
			}
			at = at / 4096 * 4096
			n, _ := f.ReadAt(b, at)
			for block := b[:n]; len(block) >= 4096; block = block[4096:] {
				var sector int
				if k, _ := fmt.Sscanf(string(block[:32]), "marked sector %d ", &sector); k == 1 {
					found[sector] = append(found[sector], [2]int64{int64(i), at + int64(n-len(block))})
				}
			}
			at += int64(n)
		}
	}
	return found
}

func spoil(t *testing.T, images []string, place [2]int64) {
	t.Helper()
	f, err := os.OpenFile(images[place[0]], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], place[1]+1000); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x11 + byte(place[0]) // not the same on each, or parity could make up for it
	if _, err := f.WriteAt(b[:], place[1]+1000); err != nil {
		t.Fatal(err)
	}
}

// Sectors of a file are spoilt in one copy, in another, and in all. What the
// kernel reads is read, and where it has an error there is one.
func TestASectorThatIsWrongEverywhereIsAnErrorAsInTheKernel(t *testing.T) {
	for _, l := range []layout{
		{"single", 1, []string{"-d", "single"}, "", 0, false},
		{"dup", 1, []string{"-d", "dup", "--csum", "xxhash"}, "", 0, false},
		{"raid1", 2, []string{"-d", "raid1", "--csum", "sha256"}, "", 0, false},
		{"raid1c3", 3, []string{"-d", "raid1c3", "--csum", "blake2"}, "", 0, false},
		{"raid10", 4, []string{"-d", "raid10"}, "", 0, false},
		{"raid5", 3, []string{"-m", "raid1", "-d", "raid5"}, "", 0, false},
		{"raid6", 4, []string{"-m", "raid1", "-d", "raid6"}, "", 0, false},
		{"nodatasum", 2, []string{"-d", "single"}, "nodatasum", 0, false},
	} {
		t.Run(l.name, func(t *testing.T) {
			skipUnlessLong(t, l.name, "single", "raid1", "raid6")
			images := formatted(t, l, func(tb testing.TB, dir string) { fillMarked(tb, dir) })
			want, all := 0, places(t, images)
			for i, sector := range []int{3, 17, 18, 40, 299, 599} {
				copies := all[sector]
				if len(copies) == 0 {
					t.Fatalf("sector %d is nowhere", sector)
				}
				switch {
				case i%3 == 0:
					copies = copies[:1]
				case i%3 == 1:
					copies = copies[len(copies)-1:]
				}
				for _, c := range copies {
					spoil(t, images, c)
				}
			}
			if strings.HasPrefix(l.name, "raid5") || strings.HasPrefix(l.name, "raid6") {
				spoilRow(t, images, all[200][0])
			}
			fsys, err := opened(t, images...)
			if err != nil {
				t.Fatal(err)
			}
			lost := 0
			mounted(t, images, "ro", func(dir string) {
				lost = sameSectors(t, fsys, filepath.Join(dir, markers), fstree.ErrDamaged)
			})
			switch l.name {
			case "single":
				want = 6
			case "nodatasum":
				want = 0
			case "raid5", "raid6":
				want = lost // the kernel's word, and at least the row
				if lost == 0 {
					t.Error("nothing is lost")
				}
			default:
				want = 2
			}
			if lost != want {
				t.Errorf("%d sectors are lost, want %d", lost, want)
			}
			upToTheFirst(t, fsys, want)
		})
	}
}

// spoilRow spoils a sector of a file and all that it could be computed from: what
// lies as far into the stripes of the other devices, by what btrfs-progs say.
func spoilRow(t *testing.T, images []string, place [2]int64) {
	t.Helper()
	out := oracle.Run(t, "btrfs", append([]string{"inspect-internal", "dump-tree", "-t", "chunk"}, images...)...)
	var begin map[int64]int64 // of each image's stripe, in the chunk that holds the place
	for _, chunk := range strings.Split(out, " CHUNK_ITEM ") {
		if !strings.Contains(chunk, "type DATA|") {
			continue
		}
		stripes := make(map[int64]int64)
		for line := range strings.Lines(chunk) {
			var i, device, off int64
			if n, _ := fmt.Sscanf(strings.TrimSpace(line), "stripe %d devid %d offset %d", &i, &device, &off); n == 3 {
				stripes[device-1] = off
			}
		}
		if off, ok := stripes[place[0]]; ok && off <= place[1] && (begin == nil || off > begin[place[0]]) {
			begin = stripes
		}
	}
	if len(begin) != len(images) {
		t.Fatalf("stripes at %v", begin)
	}
	for i := range images {
		spoil(t, images, [2]int64{int64(i), begin[int64(i)] + place[1] - begin[place[0]]})
	}
}

// upToTheFirst reads the file at once, which gives what comes before the first
// sector that is lost; without checksums it is all there.
func upToTheFirst(t *testing.T, fsys *fstree.FS, lost int) {
	t.Helper()
	f, err := fsys.Open(markers)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, markedSectors*4096)
	n, err := f.(io.ReaderAt).ReadAt(b, 0)
	if (err == nil) != (lost == 0) || err != nil && !strings.Contains(err.Error(), fmt.Sprintf("byte %d: ", n)) {
		t.Errorf("%d bytes, %v", n, err)
	}
	// In pieces that lie across sectors it ends at the same byte.
	got, err := io.Copy(io.Discard, io.NewSectionReader(f.(io.ReaderAt), 0, int64(len(b))))
	if got != int64(n) || (err == nil) != (lost == 0) {
		t.Errorf("copied %d of %d, %v", got, n, err)
	}
}

func TestChecksumsCanBeIgnored(t *testing.T) {
	images := formatted(t, layout{"single", 1, nil, "", 0, false}, fillMarked)
	for _, c := range places(t, images)[5] {
		spoil(t, images, c)
	}
	f, err := os.Open(images[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fsys, err := btrfs.OpenDevices([]btrfs.Device{{Reader: f, Size: deviceSize}}, &btrfs.Options{IgnoreDataChecksums: true})
	if err != nil {
		t.Fatal(err)
	}
	b, err := fsys.ReadFile(markers)
	if err != nil {
		t.Fatal(err)
	}
	mounted(t, images, "ro,rescue=ignoredatacsums", func(dir string) {
		theirs, err := os.ReadFile(filepath.Join(dir, markers))
		if err != nil || !bytes.Equal(b, theirs) || bytes.Equal(b[5*4096:6*4096], marker(5)) {
			t.Errorf("it differs from the kernel's (%v)", err)
		}
	})
}

// Compressed extents have checksums of what is stored.
func TestCompressedDataAreVerified(t *testing.T) {
	for _, how := range []string{"zlib", "lzo", "zstd"} {
		t.Run(how, func(t *testing.T) {
			skipUnlessLong(t, how, "zstd")
			l := layout{how, 1, []string{"-d", "dup"}, "compress-force=" + how, 0, false}
			images := formatted(t, l, func(tb testing.TB, dir string) {
				b := bytes.Repeat([]byte("what is stored is shorter; "), 40000)
				if err := os.WriteFile(filepath.Join(dir, markers), b[:markedSectors*1024], 0o600); err != nil {
					tb.Fatal(err)
				}
			})
			fsys, err := opened(t, images...)
			if err != nil {
				t.Fatal(err)
			}
			want, err := fsys.ReadFile(markers)
			if err != nil {
				t.Fatal(err)
			}
			stored := storedAt(t, images[0])
			if len(stored) < 2 {
				t.Fatalf("the first extent is at %v", stored)
			}
			spoil(t, images, [2]int64{stored[0][0], stored[0][1] - 990}) // within the first bytes
			if fsys, err = opened(t, images...); err != nil {
				t.Fatal(err)
			}
			if got, err := fsys.ReadFile(markers); err != nil || !bytes.Equal(got, want) {
				t.Errorf("with one copy: %v", err)
			}
			spoil(t, images, [2]int64{stored[1][0], stored[1][1] - 990})
			if fsys, err = opened(t, images...); err != nil {
				t.Fatal(err)
			}
			if _, err := fsys.ReadFile(markers); !errors.Is(err, fstree.ErrDamaged) || !strings.Contains(err.Error(), "byte 0: ") || !strings.Contains(err.Error(), "checksum") {
				t.Errorf("without a copy: %v", err)
			}
			mounted(t, images, "ro", func(dir string) {
				if _, err := os.ReadFile(filepath.Join(dir, markers)); err == nil {
					t.Error("the kernel reads it")
				}
			})
		})
	}
}

// storedAt finds the copies of a file's first extent by what btrfs-progs say.
func storedAt(t *testing.T, image string) (found [][2]int64) {
	t.Helper()
	out := oracle.Run(t, "btrfs", "inspect-internal", "dump-tree", "-t", "5", image)
	_, rest, ok := strings.Cut(out, "EXTENT_DATA 0)")
	_, rest, disk := strings.Cut(rest, "extent data disk byte ")
	if !ok || !disk {
		t.Fatalf("no extent: %.200s", out)
	}
	logical, _, _ := strings.Cut(rest, " ")
	for line := range strings.Lines(oracle.Run(t, "btrfs-map-logical", "-l", logical, image)) {
		var mirror int
		var at, physical int64
		if n, _ := fmt.Sscanf(line, "mirror %d logical %d physical %d", &mirror, &at, &physical); n == 3 {
			found = append(found, [2]int64{0, physical})
		}
	}
	return found
}
