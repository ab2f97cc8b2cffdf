package lvm_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/internal/machine"
	"github.com/qedfs/qedfs/adapters/diskfs/lvm"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// members are physical volumes, nil for one that is missing.
func members(devices ...[]byte) []lvm.Device {
	var list []lvm.Device
	for i, b := range devices {
		if b != nil {
			list = append(list, lvm.Device{Name: fmt.Sprintf("p%d", i+1), Reader: bytes.NewReader(b), Size: int64(len(b))})
		}
	}
	return list
}

func oneGroup(t *testing.T, list []lvm.Device) *lvm.Group {
	t.Helper()
	groups, err := lvm.Scan(list)
	if err != nil || len(groups) != 1 {
		t.Fatalf("%d groups, %v", len(groups), err)
	}
	return groups[0]
}

func TestWhatAMissingDeviceHeldIsComputed(t *testing.T) {
	s := committed(t)["raid"]
	for i := range s.devices {
		for j := i; j < len(s.devices); j++ {
			devices := slices.Clone(s.devices)
			devices[i], devices[j] = nil, nil
			g := oneGroup(t, members(devices...))
			for _, v := range g.Volumes {
				b, err := contents(t, g, v.Name)
				switch {
				case err == nil && !bytes.Equal(b, s.volumes[v.Name]):
					t.Errorf("%s without %d and %d: wrong bytes at %d", v.Name, i, j, machine.Difference(b, s.volumes[v.Name]))
				case err != nil && !errors.Is(err, lvm.ErrMissing):
					t.Errorf("%s without %d and %d: %v", v.Name, i, j, err)
				case err == nil && i != j && (strings.HasPrefix(v.Name, "raid5") || v.Name == "raid4") && len(v.Notes()) == 0:
					t.Errorf("%s without %d and %d: no note", v.Name, i, j)
				}
				enough := strings.HasPrefix(v.Name, "raid6") || i == j && !strings.HasPrefix(v.Name, "raid0")
				if enough && err != nil {
					t.Errorf("%s without %d and %d: %v", v.Name, i, j, err)
				}
			}
		}
	}
}

// failing is a device of which every byte from one on is bad.
type failing struct {
	io.ReaderAt
	from int64
}

var errBad = errors.New("bad sector")

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.from {
		return 0, errBad
	}
	return f.ReaderAt.ReadAt(p, off)
}

func TestABadLegIsComputedFromTheOthers(t *testing.T) {
	s := committed(t)["raid"]
	noted := 0
	for i := range s.devices {
		list := members(s.devices...)
		list[i].Reader = failing{list[i].Reader, 1<<20 + 100<<10} // behind LVM's metadata
		g := oneGroup(t, list)
		for _, v := range g.Volumes {
			if strings.HasPrefix(v.Name, "raid0") {
				continue
			}
			if b, err := contents(t, g, v.Name); err != nil || !bytes.Equal(b, s.volumes[v.Name]) {
				t.Errorf("%s with a bad device %d: %v", v.Name, i, err)
			}
			noted += len(v.Notes())
		}
	}
	if noted < 15 {
		t.Errorf("%d notes", noted)
	}
}

// metadataOf finds where the blocks of metadata with some checksum lie on a
// device: those of thin pools and caches begin with it and say their number.
func metadataOf(device []byte) (blocks []int) {
	for off := 1 << 20; off+4096 <= len(device); off += 4096 {
		b := device[off:][:4096]
		if flags := b[4]; (flags == 1 || flags == 2) && b[5] == 0 && b[24] == 8 && b[25] == 0 {
			blocks = append(blocks, off)
		}
	}
	return blocks
}

func TestADamagedMappingIsAnErrorAndNothingElse(t *testing.T) {
	all := committed(t)
	for _, name := range []string{"thin", "cache1", "cache2", "cachevol"} {
		s := all[name]
		damaged := 0
		for i := range s.devices {
			for _, off := range metadataOf(s.devices[i]) {
				for _, at := range []int{0, 40} {
					devices := slices.Clone(s.devices)
					devices[i] = slices.Clone(devices[i])
					devices[i][off+at] ^= 0x10
					g := oneGroup(t, members(devices...))
					for _, v := range g.Volumes {
						b, err := contents(t, g, v.Name)
						switch {
						case err == nil && !bytes.Equal(b, s.volumes[v.Name]):
							t.Errorf("%s/%s with damage at %d: wrong bytes", name, v.Name, off+at)
						case err != nil && !errors.Is(err, lvm.ErrPool):
							damaged++
							if !strings.Contains(err.Error(), "checksum does not match") {
								t.Errorf("%s/%s: %v", name, v.Name, err)
							}
						}
					}
				}
			}
		}
		if damaged == 0 {
			t.Errorf("%s: no damage was met", name)
		}
	}
}

// TestThinMappingsAreThoseOfThinDump has the tool that belongs to the format
// list what each thin device maps, and puts the blocks together by that.
func TestThinMappingsAreThoseOfThinDump(t *testing.T) {
	s := committed(t)["thin"]
	g := oneGroup(t, members(s.devices...))
	meta, err := lvm.Hidden(g, "pool_tmeta")
	if err != nil {
		t.Fatal(err)
	}
	data, err := lvm.Hidden(g, "pool_tdata")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "meta")
	b, err := io.ReadAll(meta)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out := oracle.Output(t, exec.Command(oracle.Tool(t, "thin_dump"), file))
	const block = 64 << 10
	line := regexp.MustCompile(`(?:device dev_id="(\d+)"|origin_begin="(\d+)" data_begin="(\d+)" length="(\d+)"|single_mapping origin_block="(\d+)" data_block="(\d+)")`)
	names := map[int]string{1: "one", 2: "two", 3: "three", 5: "five"} // four has an origin outside
	volumes := map[string][]byte{}
	device, mappings := "", 0
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	for _, m := range line.FindAllStringSubmatch(out, -1) {
		begin, from, length := number(m[2]), number(m[3]), number(m[4])
		switch {
		case m[1] != "":
			device = names[number(m[1])]
			volumes[device] = make([]byte, len(s.volumes[device]))
			continue
		case m[5] != "":
			begin, from, length = number(m[5]), number(m[6]), 1
		}
		for i := range length {
			if device != "" {
				mappings++
				if _, err := data.ReadAt(volumes[device][(begin+i)*block:][:block], int64(from+i)*block); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if mappings < 50 {
		t.Fatalf("%d mappings in\n%s", mappings, out)
	}
	for _, name := range names {
		if b, err := contents(t, g, name); err != nil || !bytes.Equal(b, volumes[name]) {
			t.Errorf("%s is not as thin_dump says: %v", name, err)
		}
	}
}
