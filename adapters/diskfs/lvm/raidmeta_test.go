package lvm_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/lvm"
)

// withMeta changes what dm-raid keeps of one device of raid5_ls, or of all
// where position is -1, and returns which physical volume has the device.
func withMeta(t *testing.T, devices [][]byte, position int, change func(sb []byte)) ([][]byte, int) {
	t.Helper()
	le := binary.LittleEndian
	devices, on := slices.Clone(devices), -1
	for i := range devices {
		for off := 1 << 20; off+4096 <= len(devices[i]); off += 4096 {
			sb := devices[i][off:][:4096]
			if string(sb[:4]) != "DmRd" || le.Uint32(sb[48:]) != 5 || le.Uint32(sb[52:]) != 2 || position >= 0 && le.Uint32(sb[12:]) != uint32(position) {
				continue
			}
			on = i
			devices[i] = slices.Clone(devices[i])
			change(devices[i][off:][:4096])
		}
	}
	if on < 0 {
		t.Fatal("no metadata")
	}
	return devices, on
}

func TestDevicesAreUsedAsTheirMetadataSay(t *testing.T) {
	s := committed(t)["raid"]
	le := binary.LittleEndian
	for note, change := range map[string]func(sb []byte){
		"it has missed changes (event ":         func(sb []byte) { le.PutUint64(sb[16:], le.Uint64(sb[16:])-2) },
		"its metadata were not written yet":     func(sb []byte) { clear(sb[:4]) },
		"its metadata are those of device 3":    func(sb []byte) { le.PutUint32(sb[12:], 3) },
		"used for its first 65536 bytes":        func(sb []byte) { le.PutUint64(sb[32:], 128) },
		"raid5_ls_rimage_1 is left out: it had": func(sb []byte) { le.PutUint64(sb[16:], le.Uint64(sb[16:])+1); le.PutUint64(sb[24:], 2) },
	} {
		devices, on := withMeta(t, s.devices, 1, change)
		g := oneGroup(t, members(devices...))
		b, err := contents(t, g, "raid5_ls")
		if err != nil || !bytes.Equal(b, s.volumes["raid5_ls"]) {
			t.Errorf("%s: %v", note, err)
		}
		if notes := strings.Join(volume(g, "raid5_ls").Notes(), "\n"); !strings.Contains(notes, note) {
			t.Errorf("notes %q, want %q", notes, note)
		}
		// With another device missing there is nothing to compute it from.
		other := slices.Clone(devices)
		other[(on+1)%4] = nil
		if b, err := contents(t, oneGroup(t, members(other...)), "raid5_ls"); err == nil {
			t.Errorf("%s: without another device there are %d bytes and no error", note, len(b))
		}
	}
}

func volume(g *lvm.Group, name string) *lvm.Volume {
	for _, v := range g.Volumes {
		if v.Name == name {
			return v
		}
	}
	return nil
}

func TestOneEventIsNoMissedChange(t *testing.T) {
	s := committed(t)["raid"]
	le := binary.LittleEndian
	devices, _ := withMeta(t, s.devices, 1, func(sb []byte) { le.PutUint64(sb[16:], le.Uint64(sb[16:])-1) })
	g := oneGroup(t, members(devices...))
	if _, err := contents(t, g, "raid5_ls"); err != nil || len(volume(g, "raid5_ls").Notes()) > 0 {
		t.Errorf("%v, %q", err, volume(g, "raid5_ls").Notes())
	}
}

func TestParityThatMayNotFitIsNotUsed(t *testing.T) {
	s := committed(t)["raid"]
	devices, on := withMeta(t, s.devices, -1, func(sb []byte) { binary.LittleEndian.PutUint64(sb[40:], 0) })
	g := oneGroup(t, members(devices...))
	if b, err := contents(t, g, "raid5_ls"); err != nil || !bytes.Equal(b, s.volumes["raid5_ls"]) || len(volume(g, "raid5_ls").Notes()) != 1 {
		t.Errorf("%v, %q", err, volume(g, "raid5_ls").Notes())
	}
	devices[on] = nil
	if _, err := contents(t, oneGroup(t, members(devices...)), "raid5_ls"); err == nil || !strings.Contains(err.Error(), "its parity may not fit") {
		t.Error(err)
	}
}

func TestAReshapeIsRefused(t *testing.T) {
	devices, _ := withMeta(t, committed(t)["raid"].devices, -1, func(sb []byte) {
		binary.LittleEndian.PutUint32(sb[4:], 1)
		binary.LittleEndian.PutUint32(sb[60:], 1)
	})
	if _, err := contents(t, oneGroup(t, members(devices...)), "raid5_ls"); !errors.Is(err, lvm.ErrUnsupported) || !strings.Contains(err.Error(), "reshape is in progress") {
		t.Error(err)
	}
}
