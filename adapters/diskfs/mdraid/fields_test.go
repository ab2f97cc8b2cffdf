package mdraid_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/mdraid"
)

// These are what the kernel's driver does with single fields, by its source:
// the states are rare, and made here from what it left.

func changeAll(s *sample, f func(i int, sb []byte)) [][]byte {
	var members [][]byte
	for i, m := range s.members {
		members = append(members, change(m, func(sb []byte) { f(i, sb) }))
	}
	return members
}

func TestBadBlocksAreNotRead(t *testing.T) {
	s := committed(t)["bad-blocks"]
	members := slices.Clone(s.members)
	members[1] = slices.Clone(members[1])
	for _, sector := range []int{200, 320} { // where the list says, from the start of the device
		copy(members[1][sector*512:], bytes.Repeat([]byte{0xee}, 8*512))
	}
	if b, err := contents(scan(t, members...)); err != nil || !bytes.Equal(b, s.whole) {
		t.Error(err)
	}
	members[0] = nil
	if _, err := contents(scan(t, members...)); err == nil {
		t.Error("a bad block in a row without another device gives no error")
	}
}

func TestStripesOfDifferentDevicesNeedALayout(t *testing.T) {
	members := changeAll(committed(t)["raid0-alternate"], func(_ int, sb []byte) {
		binary.LittleEndian.PutUint32(sb[8:], 0) // the layout is not one that was written on purpose
	})
	if _, err := contents(scan(t, members...)); !errors.Is(err, mdraid.ErrUnsupported) || !strings.Contains(err.Error(), "layout -1") {
		t.Error(err)
	}
}

func TestADeviceThatIsBroughtIntoStepByItsBitmapIsNotUsed(t *testing.T) {
	s := committed(t)["raid1-1.2"]
	members := slices.Clone(s.members)
	members[0] = change(members[0], func(sb []byte) { binary.LittleEndian.PutUint32(sb[8:], 1<<1|1<<7) })
	copy(members[0][64<<10:], bytes.Repeat([]byte{0xee}, 8192))
	if b, err := contents(scan(t, members...)); err != nil || !bytes.Equal(b, s.whole) {
		t.Error(err)
	}
}

func TestDataEndWhereTheSuperblockSays(t *testing.T) {
	s := committed(t)["raid1-1.2"]
	members := changeAll(s, func(_ int, sb []byte) { binary.LittleEndian.PutUint64(sb[136:], 512) })
	r, err := scan(t, members...).Open()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err == nil || len(b) != 512*512 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestALinearArrayHasWholeChunks(t *testing.T) {
	s := committed(t)["linear-1.2"]
	members := changeAll(s, func(_ int, sb []byte) { binary.LittleEndian.PutUint32(sb[88:], 1000) })
	want := int64(0)
	for _, m := range s.members {
		n := int64(binary.LittleEndian.Uint64(m[4096+136:]))
		want += n / 1000 * 1000 * 512
	}
	if a := scan(t, members...); a.Size != want {
		t.Errorf("%d bytes, want %d", a.Size, want)
	}
}

// change90 changes the words of a superblock 0.90, which are written in an order.
func change90(device []byte, order binary.ByteOrder, change func(words []uint32)) []byte {
	b := slices.Clone(device)
	sb := b[len(b)/65536*65536-65536:][:4096]
	words := make([]uint32, 1024)
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(sb[4*i:])
	}
	change(words)
	words[38] = 0
	var sum uint64
	for _, w := range words {
		sum += uint64(w)
	}
	words[38] = uint32(sum) + uint32(sum>>32)
	for i, w := range words {
		order.PutUint32(sb[4*i:], w)
	}
	return b
}

func TestSuperblocksOfAMachineOfAnotherByteOrder(t *testing.T) {
	s := committed(t)["raid5-0.90"]
	var members [][]byte
	for i, m := range s.members {
		members = append(members, change90(m, binary.BigEndian, func(w []uint32) {
			w[39], w[40] = w[40], w[39]
			if i != 2 {
				w[40] += 7 // events, in the lower half
			}
		}))
	}
	a := scan(t, members...)
	if b, err := contents(a); err != nil || !bytes.Equal(b, s.whole) || !slices.Equal(a.Missing, []int{2}) || !strings.Contains(a.Notes()[0], "of ") {
		t.Errorf("%v, missing %v", err, a.Missing)
	}
}

func TestSuperblock90SaysWhichDeviceHasFailedAndWhetherItIsClean(t *testing.T) {
	s := committed(t)["raid5-0.90"]
	var members [][]byte
	for _, m := range s.members {
		members = append(members, change90(m, binary.LittleEndian, func(w []uint32) { w[128+32+4] |= 1 }))
	}
	a := scan(t, members...)
	if b, err := contents(a); err != nil || !bytes.Equal(b, s.whole) || !slices.Equal(a.Missing, []int{1}) {
		t.Errorf("%v, missing %v", err, a.Missing)
	}
	members = nil
	for _, m := range s.members {
		members = append(members, change90(m, binary.LittleEndian, func(w []uint32) { w[33] &^= 1 }))
	}
	a = scan(t, members...)
	if b, err := contents(a); err != nil || !bytes.Equal(b, s.whole) || len(a.Notes()) != 1 || !strings.Contains(a.Notes()[0], "in use") {
		t.Errorf("%v, notes %q", err, a.Notes())
	}
	members[0] = nil
	if _, err := contents(scan(t, members...)); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Error(err)
	}
}

func TestOfSeveralSuperblocksTheLastOneMadeCounts(t *testing.T) {
	s := committed(t)["raid1-1.2"]
	for _, newer := range []bool{false, true} {
		var members [][]byte
		for i := range s.members {
			b := slices.Clone(s.members[i])
			other := committed(t)["raid1-0.90"].members[i]
			at := len(b)/65536*65536 - 65536
			copy(b[at:], other[len(other)/65536*65536-65536:][:4096])
			created := binary.LittleEndian.Uint32(s.members[i][4096+64:])
			members = append(members, change90(b, binary.LittleEndian, func(w []uint32) {
				if w[6] = created - 1; newer {
					w[6] = created + 1
				}
			}))
		}
		if a := scan(t, members...); (a.Version == "0.90") != newer {
			t.Errorf("newer %t: version %s", newer, a.Version)
		}
	}
}
