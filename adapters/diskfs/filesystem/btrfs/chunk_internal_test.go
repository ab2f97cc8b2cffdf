package btrfs

import (
	"math"
	"strings"
	"testing"
)

func chunkItemOf(length, kind uint64, offsets ...uint64) []byte {
	b := make([]byte, chunkHeader+stripeSize*len(offsets))
	le.PutUint64(b, length)
	le.PutUint64(b[24:], kind)
	le.PutUint16(b[44:], uint16(len(offsets)))
	for i, off := range offsets {
		le.PutUint64(b[chunkHeader+stripeSize*i:], uint64(i+1))
		le.PutUint64(b[chunkHeader+stripeSize*i+8:], off)
	}
	return b
}

func TestChunksThatMakeNoSenseAreDamage(t *testing.T) {
	v := newVolume(&superblock{nodeSize: 4096}, nil)
	for want, item := range map[string][]byte{
		"47 bytes":                            make([]byte, 47),
		"length 0":                            chunkItemOf(0, groupData, 0),
		"0 stripes in 48 bytes":               chunkItemOf(1<<20, groupData),
		"it lies at byte 9223372036854775807": chunkItemOf(1<<20, groupData, math.MaxInt64),
		"a chunk of profile 0x18":             chunkItemOf(1<<20, raid0|raid1, 0, 0),
		"2 stripes of profile 0x0":            chunkItemOf(1<<20, groupData, 0, 0),
		"1 stripes of profile 0x10":           chunkItemOf(1<<20, raid1, 0),
		"3 stripes of profile 0x10":           chunkItemOf(1<<20, raid1, 0, 0, 0),
		"3 stripes of profile 0x40":           chunkItemOf(1<<20, raid10, 0, 0, 0),
		"1 stripes of profile 0x80":           chunkItemOf(1<<20, raid5, 0),
		"2 stripes of profile 0x100":          chunkItemOf(1<<20, raid6, 0, 0),
	} {
		if _, err := v.parseChunk(key{chunkObjects, chunkItem, 0}, item); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	// A device is named once, however many of a chunk's stripes it has.
	twice := chunkItemOf(1<<20, dup, 0, 1<<20)
	le.PutUint64(twice[chunkHeader+stripeSize:], 1)
	c, err := v.parseChunk(key{chunkObjects, chunkItem, 1 << 20}, twice)
	if err != nil || len(c.missing) != 1 || c.missing[0].number != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := c.ReadAt(make([]byte, 10), 0); err == nil || !strings.Contains(err.Error(), "device 1 (UUID ") {
		t.Errorf("read: %v", err)
	}
}

func TestLoggedChecksumsComeFirst(t *testing.T) {
	sb := &superblock{sectorSize: 4096, nodeSize: 4096, sum: checksum{size: 1}}
	run := func(from, n uint64, sums string) sumRun { return sumRun{from * 4096, (from + n) * 4096, []byte(sums)} }
	var l loggedSums
	l.add(run(10, 6, "abcdef"))
	l.add(run(30, 1, "z"))
	l.add(run(12, 1, "X"))
	l.sort()
	for at, want := range map[uint64]string{9: "", 10: "ab", 11: "b", 12: "X", 13: "def", 15: "f", 16: "", 30: "z", 31: ""} {
		got, until := l.at(at*4096, sb)
		if string(got) != want {
			t.Errorf("sector %d: %q, want %q", at, got, want)
		}
		if at == 16 && until != 30*4096 || at == 9 && until != 10*4096 || at == 31 && until != math.MaxUint64 {
			t.Errorf("sector %d: until %d", at, until)
		}
	}
	v := newVolume(sb, nil)
	for _, bad := range []item{{key{sumObject, sumItem, 100}, []byte("a")}, {key{sumObject, sumItem, 1 << 63}, []byte("a")}} {
		if _, err := v.sumsOf(bad); err == nil {
			t.Errorf("%v is taken", bad.key)
		}
	}
	sb.sum.size = 4
	if _, err := v.sumsOf(item{key{sumObject, sumItem, 4096}, []byte("abcde")}); err == nil {
		t.Error("part of a checksum is taken")
	}
	// What is there before the next logged one is cut off before that.
	stored := run(0, 40, strings.Repeat("s", 40))
	sb.sum.size = 1
	v.logSums = l
	v.lastSums.Store(&stored)
	if b, err := v.sums(8 * 4096); err != nil || string(b) != "ss" {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := v.sums(31 * 4096); err != nil || string(b) != "sssssssss" {
		t.Errorf("%q, %v", b, err)
	}
}
