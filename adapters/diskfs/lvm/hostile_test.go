package lvm_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/lvm"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// mixes are what the checksums of blocks of metadata are mixed with.
var mixes = []uint32{160774, 9031977, 121107, 595846735}

func blockSum(b []byte, mix uint32) uint32 {
	return ^crc32.Checksum(b[4:4096], crc32.MakeTable(crc32.Castagnoli)) ^ mix
}

// block is a block of metadata on a device.
type block struct {
	off int
	mix uint32 // 0 for one without a checksum
}

// blocks finds the blocks of metadata on a device by their checksums, and those
// that have none by what they begin with.
func blocks(device []byte) (list []block) {
	for off := 1 << 20; off+4096 <= len(device); off += 4096 {
		b := device[off:]
		for _, mix := range mixes {
			if blockSum(b, mix) == binary.LittleEndian.Uint32(b) {
				list = append(list, block{off, mix})
			}
		}
		switch string(b[:4]) {
		case "SnAp", "mRd", "DmRd", "\x21\x93\x48\x23":
			list = append(list, block{off: off}, block{off: off + 4096})
		}
	}
	return list
}

// change puts other bytes into a block and mends its checksum.
func (bl block) change(rng *rand.Rand, device []byte) {
	b := device[bl.off:][:4096]
	for range 1 + rng.IntN(4) {
		at := rng.IntN(512)
		if rng.IntN(2) == 0 {
			at = rng.IntN(64)
		}
		switch rng.IntN(3) {
		case 0:
			b[at] = byte(rng.Uint32())
		case 1:
			b[at] = 0xff
		case 2:
			b[at] ^= 1 << rng.IntN(8)
		}
	}
	if bl.mix != 0 {
		binary.LittleEndian.PutUint32(b, blockSum(b, bl.mix))
	}
}

// use opens all volumes of all groups and reads some of each.
func use(t testing.TB, list []lvm.Device) {
	t.Helper()
	groups, _ := lvm.Scan(list)
	buf := make([]byte, 40<<10)
	for _, g := range groups {
		for _, v := range g.Volumes {
			r, err := v.Open()
			if err != nil {
				continue
			}
			for _, off := range []int64{0, 100 << 10, 390 << 10, v.Size / 2, max(v.Size-9999, 0)} {
				if n, err := r.ReadAt(buf, off); err == nil && n < len(buf) {
					t.Errorf("%s: %d bytes without an error", v.Name, n)
				}
			}
		}
	}
}

func TestNoMetadataDoHarm(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	all := committed(t)
	for _, name := range []string{"snap", "thin", "raid", "stale", "cache1", "cache2", "cachevol", "writecache512", "writecache4096"} {
		s := all[name]
		found := make([][]block, len(s.devices))
		total := 0
		for i, b := range s.devices {
			found[i] = blocks(b)
			total += len(found[i])
		}
		if total == 0 {
			t.Errorf("%s: no blocks of metadata", name)
			continue
		}
		devices := make([][]byte, len(s.devices))
		for i := range devices {
			devices[i] = slices.Clone(s.devices[i])
		}
		for range rounds() {
			i := rng.IntN(len(devices))
			if len(found[i]) == 0 {
				continue
			}
			bl := found[i][rng.IntN(len(found[i]))]
			bl.change(rng, devices[i])
			use(t, members(devices...))
			copy(devices[i][bl.off:][:4096], s.devices[i][bl.off:])
		}
	}
}

// The texts of groups are changed too: names, numbers and types.
func TestNoTextDoesHarm(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	all := committed(t)
	for _, name := range []string{"snap", "thin", "raid", "cache1", "cachevol", "writecache512"} {
		words := strings.Fields(newestText(all[name].devices[0], name))
		for range rounds() {
			changed := slices.Clone(words)
			for range 1 + rng.IntN(3) {
				at := rng.IntN(len(changed))
				if rng.IntN(2) == 0 {
					changed[at] = changed[rng.IntN(len(changed))]
				} else if last := len(changed[at]) - 1; changed[at][last] <= '9' && changed[at][0] >= '0' {
					changed[at] = []string{"0", "1", "3", "9223372036854775807", "4294967296", "-1"}[rng.IntN(6)]
				}
			}
			use(t, withText(all[name].devices, strings.Join(changed, " ")))
		}
	}
}

// area is where LVM puts the metadata on a new physical volume.
const area = 4096

// newestText is the text that the header of a device's metadata area points to.
func newestText(device []byte, name string) string {
	le := binary.LittleEndian
	h := device[area:]
	off, n := le.Uint64(h[40:]), le.Uint64(h[48:])
	size := le.Uint64(h[32:])
	var b []byte
	for i := range n {
		at := off + i
		if at >= size {
			at -= size - 512
		}
		b = append(b, device[area+at])
	}
	return strings.TrimRight(string(b), "\x00")
}

// withText gives the devices of a group another text.
func withText(devices [][]byte, text string) []lvm.Device {
	le := binary.LittleEndian
	var list [][]byte
	for i, b := range devices {
		head := slices.Clone(b[:1<<20])
		h := head[area:][:512]
		if i > 0 {
			le.PutUint64(h[48:], 0) // no text
		} else {
			copy(head[area+512:], text)
			le.PutUint64(h[40:], 512)
			le.PutUint64(h[48:], uint64(len(text)))
			le.PutUint32(h[56:], checksum([]byte(text)))
		}
		le.PutUint32(h, checksum(h[4:]))
		list = append(list, head)
	}
	out := members(devices...)
	for i := range out {
		out[i].Reader = overlay{bytes.NewReader(list[i]), bytes.NewReader(devices[i])}
	}
	return out
}

// overlay is a device of which the first bytes are others.
type overlay struct{ head, rest *bytes.Reader }

func (o overlay) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) <= o.head.Size() {
		return o.head.ReadAt(p, off)
	}
	return o.rest.ReadAt(p, off)
}

// FuzzBlock puts a block of metadata that is made up in place of one that LVM made.
func FuzzBlock(f *testing.F) {
	all := committed(f)
	names := []string{"snap", "thin", "raid", "cache2", "writecache512"}
	type place struct {
		name   string
		device int
		block  block
	}
	var places []place
	for _, name := range names {
		for i, b := range all[name].devices {
			for _, bl := range blocks(b) {
				f.Add(b[bl.off:][:4096], uint16(len(places)))
				places = append(places, place{name, i, bl})
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		p := places[int(at)%len(places)]
		devices := slices.Clone(all[p.name].devices)
		changed := slices.Clone(devices[p.device])
		target := changed[p.block.off:][:4096]
		copy(target, b)
		if p.block.mix != 0 {
			binary.LittleEndian.PutUint32(target, blockSum(target, p.block.mix))
		}
		devices[p.device] = changed
		use(t, members(devices...))
	})
}

func TestKindsThatAreNotReadAreNamed(t *testing.T) {
	for kind, want := range map[string]string{
		`type = "vdo" vdo_pool = "p"`:                             `type "vdo"`,
		`type = "integrity" origin = "p"`:                         `type "integrity"`,
		`type = "raid5_ls" raids = ["a", "b"] delta_disks = 1`:    "while it is reshaped",
		`type = "thin" device_id = 1 thin_pool = "p" merge = "s"`: "being merged",
	} {
		groups, err := scanBuilt(device(pad(id1), text(1, onePV, lv("v", "start_extent = 0 extent_count = 1 "+kind))))
		if err != nil || len(groups) != 1 {
			t.Fatal(err)
		}
		if _, err := groups[0].Volumes[0].Open(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", kind, err, want)
		}
	}
}

// rounds is how often each sample is damaged.
func rounds() int {
	if oracle.Long() {
		return 400
	}
	return 40
}
