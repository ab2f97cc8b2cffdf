package vmdk_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/adapters/images/internal/imagetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// craftCOWD makes an extent of an ESX server, which qemu-img reads and does not
// write. Grains of zeroes are left out.
func craftCOWD(disk []byte, grain int) []byte {
	le := binary.LittleEndian
	span := grain * 4096
	tables := (len(disk) + span - 1) / span
	file := make([]byte, 4*512+(4*tables+511)/512*512)
	copy(file, "COWD")
	for at, v := range map[int]int{4: 1, 8: 3, 12: len(disk) / 512, 16: grain / 512, 20: 4, 24: tables} {
		le.PutUint32(file[at:], uint32(v))
	}
	for t := range tables {
		part := disk[t*span : min(len(disk), (t+1)*span)]
		if bytes.Count(part, []byte{0}) == len(part) {
			continue
		}
		table := len(file)
		le.PutUint32(file[4*512+4*t:], uint32(table/512))
		file = append(file, make([]byte, 4*4096)...)
		for g := 0; g*grain < len(part); g++ {
			b := part[g*grain : min(len(part), (g+1)*grain)]
			if bytes.Count(b, []byte{0}) == len(b) {
				continue
			}
			le.PutUint32(file[table+4*g:], uint32(len(file)/512))
			file = append(append(file, b...), make([]byte, grain-len(b))...)
		}
	}
	return file
}

// craftSESparse makes a space-efficient sparse extent. Of its grains of zeroes
// some are not there, some zeroes, some unmapped.
func craftSESparse(rng *rand.Rand, disk []byte) []byte {
	const grain, entries = 4096, 4096
	le := binary.LittleEndian
	tables := (len(disk) + grain*entries - 1) / (grain * entries)
	directory := 2 * 512
	dirBytes := (8*tables + 511) / 512 * 512
	tablesAt := directory + dirBytes
	grainsAt := tablesAt + tables*8*entries
	file := make([]byte, grainsAt)
	for at, v := range map[int]int64{
		0: 0xcafebabe, 8: 2<<32 | 1, 16: int64(len(disk) / 512), 24: 8, 32: 64, 80: 1, 88: 1, 128: int64(directory / 512), 136: int64(dirBytes / 512),
		144: int64(tablesAt / 512), 152: int64(tables * 64), 192: int64(grainsAt / 512), 200: 1,
	} {
		le.PutUint64(file[at:], uint64(v))
	}
	le.PutUint64(file[512:], 0xcafecafe)
	order := rng.Perm((len(disk) + grain - 1) / grain)
	number := 0
	for _, g := range order {
		b := disk[g*grain : min(len(disk), (g+1)*grain)]
		t := g / entries
		entry := uint64(0)
		if bytes.Count(b, []byte{0}) == len(b) {
			entry = uint64(rng.IntN(3)) << 60
		} else {
			entry = 3<<60 | uint64(number)&0xfff<<48 | uint64(number)>>12
			file = append(append(file, b...), make([]byte, grain-len(b))...)
			number++
		}
		if entry != 0 {
			le.PutUint64(file[directory+8*t:], 0x10000000<<32|uint64(t))
			le.PutUint64(file[tablesAt+8*(t*entries+g%entries):], entry)
		}
	}
	return file
}

// TestExtentsOfESXAreReadAsQemuDoes puts crafted extents into disks, alone and
// together with others.
func TestExtentsOfESXAreReadAsQemuDoes(t *testing.T) {
	rng := oracle.Seed(t)
	for round := range 8 {
		dir := t.TempDir()
		descriptor := "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"vmfsSparse\"\n\n# Extent description\n"
		var disk []byte
		for i, kind := range [][]string{{"VMFSSPARSE"}, {"SESPARSE"}, {"VMFS", "FLAT"}, {"VMFSSPARSE", "SESPARSE", "VMFS", "FLAT"}}[round%4] {
			part := randomDisk(rng)
			name := fmt.Sprintf("disk-%d.vmdk", i)
			file, offset := part, ""
			switch kind {
			case "VMFSSPARSE":
				file = craftCOWD(part, 512<<rng.IntN(6))
			case "SESPARSE":
				file = craftSESparse(rng, part)
			case "FLAT":
				file, offset = append(make([]byte, 512*3), part...), " 3"
			}
			if err := os.WriteFile(filepath.Join(dir, name), file, 0o666); err != nil {
				t.Fatal(err)
			}
			descriptor += fmt.Sprintf("RW %d %s %q%s\n", len(part)/512, kind, name, offset)
			disk = append(disk, part...)
		}
		name := filepath.Join(dir, "disk.vmdk")
		if err := os.WriteFile(name, []byte(descriptor), 0o666); err != nil {
			t.Fatal(err)
		}
		imagetest.SameBytes(t, rng, imagetest.Open(t, "vmdk", name), disk)
		imagetest.SameAsQemu(t, rng, "vmdk", name)
	}
}

// randomDisk is up to 20 MiB, of which many are zeroes, in whole grains: of an
// extent that ends inside one qemu-img maps what is behind it, too.
func randomDisk(rng *rand.Rand) []byte {
	disk := make([]byte, 64<<10*(1+rng.IntN(300)))
	for range 40 {
		part := disk[rng.IntN(len(disk)):]
		part = part[:rng.IntN(min(len(part), 20000))]
		copy(part, bytes.Repeat([]byte{byte(1 + rng.IntN(255))}, len(part)))
	}
	return disk
}
