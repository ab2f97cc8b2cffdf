package mdraid_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/internal/machine"
	"github.com/qedfs/qedfs/adapters/diskfs/mdraid"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func TestArraysInUnusualStatesAreReadAsTheKernelDoes(t *testing.T) {
	checkSpecial(t, committed(t))
}

func checkSpecial(t *testing.T, all map[string]*sample) {
	for name, note := range map[string]string{
		"stale-raid1":  "d1 is left out: it has missed changes",
		"stale-raid5":  "d1 is left out: it has missed changes",
		"stale-raid6":  "d1 is left out: it has missed changes",
		"stale-raid10": "d1 is left out: it has missed changes",
		"bad-blocks":   "d1 has 2 ranges of bad blocks",
		"recovering":   "d3 is used for its first",
		"reshape":      "",
	} {
		s := all[name]
		a := scan(t, s.members...)
		b, err := contents(a)
		if err != nil || !bytes.Equal(b, s.whole) {
			t.Errorf("%s: %v, first difference at %d", name, err, machine.Difference(b, s.whole))
		}
		if note != "" && (len(a.Notes()) == 0 || !strings.HasPrefix(a.Notes()[0], note)) || note == "" && len(a.Notes()) > 0 {
			t.Errorf("%s: notes %q", name, a.Notes())
		}
		if stale := strings.HasPrefix(name, "stale"); stale != slices.Equal(a.Missing, []int{1}) {
			t.Errorf("%s: missing %v", name, a.Missing)
		}
	}
	if _, err := contents(scan(t, all["journal"].members...)); !errors.Is(err, mdraid.ErrUnsupported) || !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "write journal") {
		t.Errorf("a write journal: %v", err)
	}
	if arrays, err := mdraid.Scan(devices(all["ddf"].members...)); len(arrays) > 0 || err != nil {
		t.Errorf("DDF: %v, %v", arrays, err)
	}
}

func TestWhatWasNotRebuiltIsNotUsed(t *testing.T) {
	s := committed(t)["recovering"]
	a := scan(t, nil, s.members[1], s.members[2], s.members[3])
	r, err := a.Open()
	if err != nil {
		t.Fatal(err)
	}
	// 256 KiB of each device were rebuilt, which is 768 KiB of the array.
	b, err := io.ReadAll(r)
	if err == nil || len(b) < 768<<10 || len(b) > 780<<10 || !bytes.Equal(b, s.whole[:len(b)]) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestNamesAreThoseOfTheSuperblock(t *testing.T) {
	all := committed(t)
	for name, want := range map[string][4]string{
		"raid5-0.90": {"md0", "", "0.90", "raid5"},
		"raid1-1.0":  {"md-raid1-1.0", "none", "1.0", "raid1"},
		"linear-1.1": {"md-linear-1.1", "none", "1.1", "linear"},
		"raid4":      {"md-raid4", "none", "1.2", "raid4"},
	} {
		a := scan(t, all[name].members...)
		if got := [4]string{a.DeviceName(), a.Host, a.Version, a.Level}; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// change changes a superblock of version 1.2 and gives it a checksum.
func change(device []byte, change func(sb []byte)) []byte {
	b := slices.Clone(device)
	sb := b[4096:8192]
	change(sb)
	le := binary.LittleEndian
	le.PutUint32(sb[216:], 0)
	var sum uint64
	for i := 0; i < 256+2*int(min(le.Uint32(sb[220:]), 1920)); i += 4 {
		if i+4 > 256+2*int(min(le.Uint32(sb[220:]), 1920)) {
			sum += uint64(le.Uint16(sb[i:]))
			break
		}
		sum += uint64(le.Uint32(sb[i:]))
	}
	le.PutUint32(sb[216:], uint32(sum)+uint32(sum>>32))
	return b
}

func TestWhatCannotBeReadIsRefusedByName(t *testing.T) {
	s := committed(t)["raid5-left-symmetric"]
	le := binary.LittleEndian
	put := func(at int, n uint32) func([]byte) { return func(sb []byte) { le.PutUint32(sb[at:], n) } }
	for _, c := range []struct {
		name   string
		change func([]byte)
		want   string
		is     error
	}{
		{"a reshape", put(8, 4), "reshape is in progress", mdraid.ErrUnsupported},
		{"a feature", put(8, 1<<13), "unknown features 0x2000", mdraid.ErrUnsupported},
		{"a layout", put(76, 6), "unknown layout 6 of level 5", mdraid.ErrUnsupported},
		{"a layout of level 6", put(76, 16), "unknown layout 16 of level 5", mdraid.ErrUnsupported},
		{"a level", put(72, 7), "level 7", mdraid.ErrUnsupported},
		{"multipath", put(72, 0xfffffffc), "multipath", mdraid.ErrUnsupported},
		{"far sets", func(sb []byte) { le.PutUint32(sb[72:], 10); le.PutUint32(sb[76:], 1<<17|0x201) }, "unknown layout 0x20201 of level 10", mdraid.ErrUnsupported},
		{"no copies", func(sb []byte) { le.PutUint32(sb[72:], 10); le.PutUint32(sb[76:], 0x100) }, "unknown layout 0x100", mdraid.ErrUnsupported},
		{"too many copies", func(sb []byte) { le.PutUint32(sb[72:], 10); le.PutUint32(sb[76:], 0x302) }, "unknown layout 0x302", mdraid.ErrUnsupported},
		{"chunks of nothing", put(88, 0), "chunks of 0 bytes", nil},
		{"chunks too large", put(88, 1<<23), "chunks of", nil},
		{"no devices", put(92, 0), "0 devices", nil},
		{"one device", put(92, 1), "device", nil},
	} {
		var members [][]byte
		for _, m := range s.members {
			members = append(members, change(m, c.change))
		}
		a, err := tryScan(members...)
		if a != nil {
			_, err = contents(a)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "mdraid: ") || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestDamageOfASuperblockIsSaid(t *testing.T) {
	all := committed(t)
	one, zero := slices.Clone(all["raid4"].members[0]), slices.Clone(all["raid5-0.90"].members[0])
	one[4096+201] ^= 1
	zero[len(zero)/65536*65536-65536+300] ^= 1
	far := change(all["raid4"].members[0], func(sb []byte) { binary.LittleEndian.PutUint64(sb[128:], 1<<40) })
	many := slices.Clone(all["raid4"].members[0])
	binary.LittleEndian.PutUint32(many[4096+220:], 1921)
	for want, b := range map[string][]byte{"data begin at": far, "1921 devices": many} {
		if _, err := mdraid.Scan(devices(b)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, b := range [][]byte{one, zero} {
		if arrays, err := mdraid.Scan(devices(b)); len(arrays) > 0 || err == nil || !strings.Contains(err.Error(), "d0: mdraid: the superblock's checksum") {
			t.Errorf("%v, %v", arrays, err)
		}
	}
}

func TestParityOfAnArrayInUseIsNotUsed(t *testing.T) {
	s := committed(t)["raid5-left-symmetric"]
	var members [][]byte
	for _, m := range s.members {
		members = append(members, change(m, func(sb []byte) { binary.LittleEndian.PutUint64(sb[208:], 256) }))
	}
	a := scan(t, members...)
	if b, err := contents(a); err != nil || !bytes.Equal(b, s.whole) || len(a.Notes()) != 1 || !strings.Contains(a.Notes()[0], "in use") {
		t.Errorf("%v, %q", err, a.Notes())
	}
	members[2] = nil
	r, err := scan(t, members...).Open()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err == nil || !strings.Contains(err.Error(), "in use when it was last seen") || len(b) < 3*128<<10 || len(b) > 3*132<<10 || !bytes.Equal(b, s.whole[:len(b)]) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestADeviceThatIsThereTwiceIsAnError(t *testing.T) {
	s := committed(t)["raid1-1.2"]
	a, err := tryScan(s.members[0], s.members[1], s.members[0])
	if err == nil || !strings.Contains(err.Error(), "d2 says that it is device 0") {
		t.Fatal(err)
	}
	if b, err := contents(a); err != nil || !bytes.Equal(b, s.whole) {
		t.Error(err)
	}
}

func TestADeviceThatTheOthersCallFaultyIsLeftOut(t *testing.T) {
	s := committed(t)["raid1-1.2"]
	newer := change(s.members[0], func(sb []byte) {
		binary.LittleEndian.PutUint64(sb[200:], binary.LittleEndian.Uint64(sb[200:])+1) // within what a crash leaves
		binary.LittleEndian.PutUint16(sb[256+2:], 0xfffe)
	})
	for _, members := range [][][]byte{{newer, s.members[1]}, {s.members[1], newer}} {
		a := scan(t, members...)
		if len(a.Missing) != 1 || a.Missing[0] != 1 || !strings.Contains(a.Notes()[0], "does not use it any more") {
			t.Errorf("missing %v, notes %q", a.Missing, a.Notes())
		}
	}
}

func TestAReplacementStandsInForADeviceThatIsMissing(t *testing.T) {
	s := committed(t)["raid5-left-symmetric"]
	const number = 6
	replaced := func(b []byte) []byte {
		return change(b, func(sb []byte) { binary.LittleEndian.PutUint16(sb[256+2*number:], 1) })
	}
	var members [][]byte
	for _, m := range s.members {
		members = append(members, replaced(m))
	}
	for i := range members {
		members[i] = change(members[i], func(sb []byte) { binary.LittleEndian.PutUint32(sb[220:], 8) })
	}
	stand := change(members[1], func(sb []byte) {
		binary.LittleEndian.PutUint32(sb[8:], 1<<4)
		binary.LittleEndian.PutUint32(sb[160:], number)
	})
	a := scan(t, stand, members[0], members[1], members[2], members[3])
	if b, err := contents(a); err != nil || !bytes.Equal(b, s.whole) || slices.Contains(a.Devices, "d0") {
		t.Errorf("%v, devices %q", err, a.Devices)
	}
	a = scan(t, stand, members[0], members[2], members[3])
	if b, err := contents(a); err != nil || !bytes.Equal(b, s.whole) || !slices.Contains(a.Devices, "d0") || len(a.Missing) > 0 {
		t.Errorf("%v, devices %q, missing %v", err, a.Devices, a.Missing)
	}
}

// failing is a device with a bad sector.
type failing struct {
	io.ReaderAt
	from, to int64
}

var errBad = errors.New("bad sector")

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off < f.to && off+int64(len(p)) > f.from {
		return 0, errBad
	}
	return f.ReaderAt.ReadAt(p, off)
}

func TestBadSectorsAreComputedFromTheOthers(t *testing.T) {
	all := committed(t)
	for _, name := range []string{"raid1-1.2", "raid4", "raid5-left-symmetric", "raid6-left-symmetric", "raid6-ddf-N-restart", "raid10-n2-4", "raid10-f2-4"} {
		s := all[name]
		list := devices(s.members...)
		for i := range list { // each device has a bad sector of its own, which touches the next one's chunk
			at := int64(64<<10 + 5*4096 + i*1024)
			list[i].Reader = failing{list[i].Reader, at, at + 512}
		}
		arrays, err := mdraid.Scan(list)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := contents(arrays[0]); err != nil || !bytes.Equal(b, s.whole) {
			t.Errorf("%s: %v, first difference at %d", name, err, machine.Difference(b, s.whole))
		}
		if notes := arrays[0].Notes(); len(notes) == 0 || !strings.HasPrefix(notes[0], "d0 could not be read everywhere (byte ") {
			t.Errorf("%s: notes %q", name, notes)
		}
	}
	s := all["raid5-left-symmetric"]
	list := devices(s.members...)
	for i := range 2 {
		list[i].Reader = failing{list[i].Reader, 128 << 10, 128<<10 + 512}
	}
	arrays, err := mdraid.Scan(list)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := contents(arrays[0]); !errors.Is(err, errBad) {
		t.Errorf("two bad sectors of one row: %v", err)
	}
}

func TestAFileThatIsCutOffGivesWhatTheOthersHave(t *testing.T) {
	s := committed(t)["raid5-left-symmetric"]
	members := slices.Clone(s.members)
	members[2] = members[2][:300<<10]
	a := scan(t, members...)
	if b, err := contents(a); err != nil || !bytes.Equal(b, s.whole) || len(a.Notes()) != 1 || !strings.Contains(a.Notes()[0], "d2 is cut off") {
		t.Errorf("%v, notes %q", err, a.Notes())
	}
}

func TestIsMemberTellsADiskFromItsLastPartition(t *testing.T) {
	all := committed(t)
	for _, name := range []string{"raid1-0.90", "raid1-1.0", "raid1-1.2", "raid5-0.90"} {
		b := all[name].members[0]
		if !mdraid.IsMember(bytes.NewReader(b), int64(len(b))) {
			t.Errorf("%s is none", name)
		}
		disk := append(make([]byte, 1<<20), b...)
		if mdraid.IsMember(bytes.NewReader(disk), int64(len(disk))) {
			t.Errorf("a disk whose last partition is %s is one", name)
		}
	}
	if b := make([]byte, 1<<20); mdraid.IsMember(bytes.NewReader(b), int64(len(b))) {
		t.Error("zeroes are one")
	}
}

// FuzzScan gives three devices one superblock that is made up.
func FuzzScan(f *testing.F) {
	for name, s := range committed(f) {
		if strings.Contains(name, "0.90") {
			f.Add(s.members[0][len(s.members[0])/65536*65536-65536:][:4096], uint8(1))
		} else if !strings.Contains(name, "1.") {
			f.Add(s.members[0][4096:8192], uint8(1))
		}
	}
	f.Fuzz(func(t *testing.T, sb []byte, step uint8) {
		fuzzScan(t, sb, step)
	})
}

func fuzzScan(t *testing.T, sb []byte, step uint8) {
	t.Helper()
	var members [][]byte
	for i := range 3 {
		device := make([]byte, 256<<10)
		copy(device[4096:8192], sb)
		copy(device[128<<10:][:4096], sb)
		device = change(device, func(sb []byte) { sb[160] += byte(i) * step })
		members = append(members, device)
	}
	arrays, _ := mdraid.Scan(devices(members...))
	for _, a := range arrays {
		r, err := a.Open()
		if err != nil {
			continue
		}
		buf := make([]byte, 20<<10)
		for _, off := range []int64{0, r.Size() / 2, max(r.Size()-1000, 0)} {
			if n, err := r.ReadAt(buf, off); err == nil && n < len(buf) {
				t.Errorf("%d bytes without an error", n)
			}
		}
	}
}

func TestNoSuperblockDoesHarm(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	all := committed(t)
	for _, name := range []string{"linear-1.2", "raid0-alternate", "raid1-1.2", "raid4", "raid5-left-symmetric", "raid6-ddf-N-continue", "raid10-f3-5", "bad-blocks", "recovering"} {
		for range rounds() {
			sb := slices.Clone(all[name].members[0][4096:8192])
			for range 1 + rng.IntN(4) {
				at := rng.IntN(300)
				if rng.IntN(2) == 0 {
					sb[at] = byte(rng.Uint32())
				} else {
					sb[at&^7+rng.IntN(8)] = 0xff
				}
			}
			fuzzScan(t, sb, uint8(rng.IntN(2)))
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
