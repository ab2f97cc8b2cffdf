package btrfs_test

import (
	"encoding/binary"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/btrfs"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// readAll reads what devices hold without looking at checksums. A panic that a
// layer below turned into an error fails the test too.
func readAll(t *testing.T, list []*device) {
	t.Helper()
	fsys, err := btrfs.OpenUnverified(named(list))
	if err != nil {
		return
	}
	entries := 0
	_ = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if entries++; entries > 10000 {
			t.Fatal("more files than the image can hold")
		}
		if err == nil && d.Type().IsRegular() {
			var f fs.File
			if f, err = fsys.Open(name); err == nil {
				_, err = io.Copy(io.Discard, io.LimitReader(f, 1<<20))
				_ = f.Close()
			}
		}
		if err != nil && strings.Contains(err.Error(), "panic") {
			t.Fatal(err)
		}
		return nil
	})
	_ = fsys.Info()
}

func TestHostileDevicesDoNoHarm(t *testing.T) {
	rng := oracle.Seed(t)
	n := 60
	switch {
	case testing.Short():
		n = 10
	case oracle.Long():
		n = 800
	}
	for name, count := range map[string]int{"raid1": 2, "raid6": 4, "sprout": 1} {
		list := devices(t, name, count)
		if name == "sprout" {
			list = append(list, devices(t, "seed", 1)...)
		}
		spots := make([][]int64, len(list))
		for i, d := range list {
			spots[i] = d.used(t)
		}
		for range n {
			bad := make([]*device, len(list))
			for i, d := range list {
				bad[i] = &device{ReaderAt: d.ReaderAt, size: d.size}
			}
			for range 1 + rng.IntN(8) {
				i := rng.IntN(len(list))
				// Half of it is in superblocks: what chunks say is there.
				off := int64(64<<10) + rng.Int64N(4096)
				if rng.IntN(2) == 0 {
					off = spots[i][rng.IntN(len(spots[i]))] + rng.Int64N(4096)
				}
				bad[i].patches = append(bad[i].patches, patch{off, junk(rng)[:1]})
			}
			begin := time.Now()
			readAll(t, bad)
			if took := time.Since(begin); took > 20*time.Second {
				t.Fatalf("%s took %v", name, took)
			}
		}
	}
}

// FuzzDevices writes pieces of its input over two devices: one byte that says
// which, four of the offset, then eight bytes.
func FuzzDevices(f *testing.F) {
	list := devices(f, "raid1", 2)
	f.Add([]byte{})
	f.Add(append([]byte{0, 0x88, 0, 1, 0}, 3, 0, 0, 0, 0, 0, 0, 0)) // three devices
	f.Add(append([]byte{1, 0x48, 3, 1, 0}, 0x80, 0, 0, 0, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, patches []byte) {
		bad := []*device{{ReaderAt: list[0], size: list[0].size}, {ReaderAt: list[1], size: list[1].size}}
		for ; len(patches) >= 13; patches = patches[13:] {
			off := int64(binary.LittleEndian.Uint32(patches[1:])) % bad[0].size
			d := bad[patches[0]&1]
			d.patches = append(d.patches, patch{off, patches[5:13]})
		}
		readAll(t, bad)
	})
}
