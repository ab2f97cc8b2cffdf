package lvm_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/lvm"
)

// forge changes the blocks of metadata that match, and mends their checksums.
func forge(t *testing.T, devices [][]byte, match func(bl block, b []byte) bool, change func(b []byte)) [][]byte {
	t.Helper()
	devices, changed := slices.Clone(devices), 0
	for i := range devices {
		device := slices.Clone(devices[i])
		for _, bl := range blocks(device) {
			b := device[bl.off:][:4096]
			if !match(bl, b) {
				continue
			}
			changed++
			change(b)
			if bl.mix != 0 {
				binary.LittleEndian.PutUint32(b, blockSum(b, bl.mix))
			}
		}
		devices[i] = device
	}
	if changed == 0 {
		t.Fatal("nothing matches")
	}
	return devices
}

// TestForgedMetadataAreRefused has checksums that are right and contents that
// cannot be.
func TestForgedMetadataAreRefused(t *testing.T) {
	all, le := committed(t), binary.LittleEndian
	is := func(mix uint32) func(block, []byte) bool {
		return func(bl block, _ []byte) bool { return bl.mix == mix }
	}
	leaf := func(bl block, b []byte) bool { return bl.mix == 121107 && b[4] == 2 && le.Uint32(b[16:]) > 3 }
	exceptions := func(bl block, b []byte) bool {
		return bl.mix == 0 && string(b[:4]) != "SnAp" && le.Uint64(b[8:]) == 2 && le.Uint64(b[24:]) == 3
	}
	for _, c := range []struct {
		name, volume string
		match        func(block, []byte) bool
		change       func([]byte)
		want         string
	}{
		{"snap", "small", exceptions, func(b []byte) { le.PutUint64(b[8:], 1<<40) }, "is said to be in chunk 1099511627776"},
		{"snap", "small", exceptions, func(b []byte) { copy(b[:8], b[16:]) }, "stored twice"},
		{"snap", "small", func(_ block, b []byte) bool { return string(b[:4]) == "SnAp" }, func(b []byte) { le.PutUint32(b[12:], 12) }, "chunks of 6144 bytes"},
		{"snap", "small", func(_ block, b []byte) bool { return string(b[:4]) == "SnAp" }, func(b []byte) { b[8] = 2 }, "header of the snapshot is damaged"},
		{"thin", "one", is(160774), func(b []byte) { b[32]++ }, "have no magic"},
		{"thin", "one", is(160774), func(b []byte) { b[40] = 3 }, "of version 3"},
		{"thin", "one", is(160774), func(b []byte) { b[360] = 1 }, "with features 0x1"},
		{"thin", "one", is(160774), func(b []byte) { b[336]++ }, "blocks of 129 sectors"},
		{"thin", "one", is(160774), func(b []byte) { le.PutUint64(b[320:], 1<<30) }, "metadata block 1073741824 of 512"},
		{"thin", "one", is(121107), func(b []byte) { b[8]++ }, "says that it is block"},
		{"thin", "one", is(121107), func(b []byte) { le.PutUint32(b[20:], 1<<20) }, "a node with flags"},
		{"thin", "one", is(121107), func(b []byte) { le.PutUint32(b[16:], le.Uint32(b[20:])+1) }, "a node with flags"},
		{"thin", "one", is(121107), func(b []byte) { b[4] = 3 }, "a node with flags"},
		{"thin", "one", leaf, func(b []byte) {
			for i := range int(le.Uint32(b[16:])) {
				le.PutUint64(b[32+8*int(le.Uint32(b[20:]))+8*i:], 1<<50)
			}
		}, ""},
		{"cache2", "data", is(9031977), func(b []byte) { b[32]++ }, "have no magic"},
		{"cache2", "data", is(9031977), func(b []byte) { b[252] = 1 }, "with features 0x1"},
		{"cache2", "data", is(9031977), func(b []byte) { b[232]++ }, "blocks of 65 sectors"},
		{"cache2", "data", is(9031977), func(b []byte) { le.PutUint32(b[240:], 33) }, "33 blocks of 32768 bytes in 1048576"},
		{"cache2", "data", is(595846735), func(b []byte) { copy(b[24:32], b[32:]) }, "kept twice"},
		{"cache2", "data", is(595846735), func(b []byte) { b[12] = 4 }, "elements of 4 bytes"},
		{"cache2", "data", is(595846735), func(b []byte) { b[8] = 3 }, "3 elements of"},
		{"cache2", "data", is(595846735), func(b []byte) { b[16]++ }, "says that it is block"},
	} {
		g := oneGroup(t, members(forge(t, all[c.name].devices, c.match, c.change)...))
		if _, err := contents(t, g, c.volume); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s/%s: %v, want %q", c.name, c.volume, err, c.want)
		}
	}
}

func TestASnapshotThatWasNeverWrittenToIsItsOrigin(t *testing.T) {
	s := committed(t)["snap"]
	devices := forge(t, s.devices, func(_ block, b []byte) bool { return string(b[:4]) == "SnAp" }, func(b []byte) { clear(b[:16]) })
	if b, err := contents(t, oneGroup(t, members(devices...)), "small"); err != nil || !bytes.Equal(b, s.volumes["origin"]) {
		t.Error(err)
	}
}

func TestOfTwoWritesTheLaterOneIsKept(t *testing.T) {
	le := binary.LittleEndian
	s := committed(t)["writecache4096"]
	header := func(_ block, b []byte) bool { return string(b[:4]) == "\x21\x93\x48\x23" }
	volume := func(change func(b []byte)) ([]byte, error) {
		return contents(t, oneGroup(t, members(forge(t, s.devices, header, change)...)), "data")
	}
	entry := func(b []byte, i int) []byte { return b[64+16*i:][:16] }
	var first, second int // entries in use
	b, err := volume(func(b []byte) {
		for i := range 200 {
			if le.Uint64(entry(b, i)[8:]) < le.Uint64(b[24:]) {
				first, second = second, i
			}
		}
	})
	if err != nil || !bytes.Equal(b, s.volumes["data"]) || first == second {
		t.Fatal(err, first, second)
	}
	results := map[string]bool{}
	for _, later := range []int{first, second} {
		b, err := volume(func(b []byte) {
			copy(entry(b, first)[:8], entry(b, second)[:8])
			le.PutUint64(b[24:], 1000)
			le.PutUint64(entry(b, first)[8:], 500)
			le.PutUint64(entry(b, second)[8:], 500)
			le.PutUint64(entry(b, later)[8:], 501)
		})
		if err != nil {
			t.Fatal(err)
		}
		results[string(b)] = true
	}
	if len(results) != 2 {
		t.Error("the later write does not count")
	}
	if _, err := volume(func(b []byte) { copy(entry(b, first), entry(b, second)) }); err == nil || !strings.Contains(err.Error(), "kept twice") {
		t.Error(err)
	}
	if _, err := volume(func(b []byte) { b[4] = 2 }); err == nil || !strings.Contains(err.Error(), "of version 2") {
		t.Error(err)
	}
	if _, err := volume(func(b []byte) { le.PutUint64(b[16:], 1024) }); err == nil || !strings.Contains(err.Error(), "1024 blocks of 4096 bytes") {
		t.Error(err)
	}
	// What is not committed is not there.
	if b, err := volume(func(b []byte) { le.PutUint64(b[24:], 0) }); err != nil || bytes.Equal(b, s.volumes["data"]) {
		t.Error(err)
	}
}

func TestReadsOfAPassthroughCacheAreTheOrigins(t *testing.T) {
	differ := 0
	for _, name := range []string{"cache1", "cache2", "cachevol"} {
		s := committed(t)[name]
		text := strings.Replace(newestText(s.devices[0], name), `cache_mode = "writeback"`, `cache_mode = "passthrough"`, 1)
		g := oneGroup(t, withText(s.devices, text))
		origin, err := lvm.Hidden(g, "data_corig")
		if err != nil {
			t.Fatal(err)
		}
		want, err := io.ReadAll(origin)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := contents(t, g, "data"); err != nil || !bytes.Equal(b, want) {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(want, s.volumes["data"]) {
			differ++
		}
	}
	if differ == 0 {
		t.Error("no cache has what its origin has not")
	}
}

func TestSnapshotsThatCannotBe(t *testing.T) {
	snap := func(origin, store string) string {
		return `snapshot0 { id = "s" status = ["VISIBLE"] segment_count = 1 segment1 { start_extent = 0 extent_count = 2 type = "snapshot" chunk_size = 8 origin = "` + origin + `" cow_store = "` + store + `" } }`
	}
	for want, lvs := range map[string][]string{
		"a snapshot of itself": {lv("v", linear(0, 1, "one", 0)), snap("v", "v")},
		"its origin w only":    {lv("v", linear(0, 1, "one", 0)), lv("w", linear(0, 1, "one", 1)), snap("w", "v")},
		"nothing named gone":   {lv("v", linear(0, 1, "one", 0)), snap("gone", "v")},
	} {
		groups, err := scanBuilt(device(pad(id1), text(1, onePV, lvs...)))
		if err != nil || len(groups) != 1 {
			t.Fatal(err)
		}
		if _, err := groups[0].Volumes[0].Open(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
