package guest

import (
	"encoding/binary"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/adapters/diskfs/partition"
)

func TestLettersAreOfPartitions(t *testing.T) {
	mbr := &imagefs.Volume{Offset: 1 << 20, Partition: &partition.Partition{UUID: "1A2B3C4D-01"}}
	gpt := &imagefs.Volume{Offset: 1 << 20, Partition: &partition.Partition{UUID: "03020100-0504-0706-0809-0A0B0C0D0E0F"}}
	at := func(disk uint32, offset uint64) []byte {
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(nil, disk), offset)
	}
	guid := []byte("DMIO:ID:\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f")
	for name, c := range map[string]struct {
		data []byte
		v    *imagefs.Volume
		want bool
	}{
		"an MBR's":             {at(0x1a2b3c4d, 1<<20), mbr, true},
		"another place":        {at(0x1a2b3c4d, 1<<21), mbr, false},
		"another disk":         {at(0x1a2b3c4e, 1<<20), mbr, false},
		"a GPT's":              {guid, gpt, true},
		"another GPT's":        {append(guid[:23:23], 9), gpt, false},
		"a GUID that is short": {guid[:23], gpt, false},
		"a GPT's by its place": {at(0x03020100, 1<<20), gpt, true}, // no MBR has such a PARTUUID
		"no partition":         {at(0x1a2b3c4d, 1<<20), &imagefs.Volume{Offset: 1 << 20}, false},
		"a CD":                 {[]byte(`\??\IDE#CdRom`), mbr, false},
	} {
		if got := isMounted(c.data, c.v); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestPathsOfWindowsAreOfItsVolume(t *testing.T) {
	for in, want := range map[string]string{
		`C:\Users\a`: "/Users/a", `%SystemDrive%\Users\a`: "/Users/a", `D:\..\..\x`: "/x", `\\server\share`: "", "": "", "Users": "",
	} {
		if got := windowsPath(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
	for machine, want := range map[uint16]string{0x14c: "i386", 0x8664: "x86_64", 0xaa64: "aarch64", 0x1c4: "arm", 0x200: "ia64", 7: "pe machine 0x7"} {
		if got := peMachine(machine); got != want {
			t.Errorf("%#x: %s", machine, got)
		}
	}
}
