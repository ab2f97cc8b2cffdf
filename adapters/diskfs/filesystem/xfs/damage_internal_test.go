package xfs

import (
	"bytes"
	"io"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// TestDamageThatNoChecksumCatchesDoesNoHarm reads version 5 as if all of it came
// from a replay, which has no checksums, so that what whoever makes an image to
// do harm would have computed is not needed.
func TestDamageThatNoChecksumCatchesDoesNoHarm(t *testing.T) {
	rounds := 40
	if oracle.Long() {
		rounds = 500
	}
	for _, name := range []string{"xfs-v5", "xfs-ordinary"} {
		t.Run(name, func(t *testing.T) {
			image := fstreetest.Image(t, name)
			rng := oracle.Seed(t)
			spots := metadata(image)
			all := &overlay{}
			for i := range len(image) / sectorSize {
				all.order = append(all.order, int64(i))
			}
			sb, err := readSuperblock(bytes.NewReader(image), int64(len(image)), nil)
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for range rounds {
				mutant := slices.Clone(image)
				for range 1 + rng.IntN(10) {
					at := spots[rng.IntN(len(spots))] + rng.IntN(sectorSize)
					mutant[at] = []byte{0, 0xff, mutant[at] + 1, byte(rng.Uint32())}[rng.IntN(4)]
				}
				r := bytes.NewReader(mutant)
				v := &volume{sb: sb, cache: fstree.NewCache(r, r.Size(), 0), replayed: all}
				v.info = func() fstree.Info { return fstree.Info{Type: "xfs"} }
				begin := time.Now()
				found += visit(fstree.New(v), ".", 0)
				if took := time.Since(begin); took > 20*time.Second {
					t.Fatalf("%v", took)
				}
			}
			if found < rounds {
				t.Errorf("%d files in %d images", found, rounds)
			}
		})
	}
}

// metadata is where the image has inodes, directories and attributes.
func metadata(image []byte) []int {
	var spots []int
	for at := 0; at < len(image); at += sectorSize {
		b := image[at:]
		magics := string(b[:2]) == "IN" && b[2] != 0 || b[0] == 'X' && b[1] != 'F' || b[0] == 'B' && b[1] == 'M' ||
			b[8] == 0x3b && b[9] == 0xee || b[8] == 0x3d && (b[9] == 0xf1 || b[9] == 0xff) || b[8] == 0x3e && b[9] == 0xbe
		if magics {
			spots = append(spots, at)
		}
	}
	return spots
}

// visit reads everything there is and forgives every error.
func visit(fsys fs.FS, dir string, depth int) int {
	entries, _ := fs.ReadDir(fsys, dir)
	found := len(entries)
	for _, e := range entries {
		name := e.Name()
		if dir != "." {
			name = dir + "/" + name
		}
		info, err := fs.Lstat(fsys, name)
		if err != nil {
			continue
		}
		_, _ = info.Sys().(*fstree.Stat).Xattrs()
		_, _ = fs.ReadLink(fsys, name)
		if info.IsDir() && depth < 8 {
			found += visit(fsys, name, depth+1)
		} else if file, err := fsys.Open(name); err == nil {
			_, _ = io.CopyN(io.Discard, file, 1<<20)
			_ = file.Close()
		}
	}
	return found
}
