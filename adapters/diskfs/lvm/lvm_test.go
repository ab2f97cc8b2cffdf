package lvm_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/lvm"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

const (
	extent     = 1 << 20
	deviceSize = 16 << 20
	pv0ID      = "aaaaaa-0000-0000-0000-0000-0000-000000"
	pv1ID      = "bbbbbb-1111-1111-1111-1111-1111-111111"
)

// logicalVolumes is the part of a group's metadata that says how its volumes
// are laid out; LVM itself checks it when it writes it to the devices.
const logicalVolumes = `
	logical_volumes {
		linear {
			id = "LLLLLL-0000-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE", "VISIBLE"]
			segment_count = 2
			segment1 { start_extent = 0 extent_count = 2 type = "striped" stripe_count = 1 stripes = ["pv1", 3] }
			segment2 { start_extent = 2 extent_count = 1 type = "striped" stripe_count = 1 stripes = ["pv0", 0] }
		}
		striped-volume {
			id = "LLLLLL-1111-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE", "VISIBLE"]
			segment_count = 1
			segment1 { start_extent = 0 extent_count = 4 type = "striped" stripe_count = 2 stripe_size = 128 stripes = ["pv0", 1, "pv1", 1] }
		}
		only1 {
			id = "LLLLLL-2222-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE", "VISIBLE"]
			segment_count = 1
			segment1 { start_extent = 0 extent_count = 2 type = "striped" stripe_count = 1 stripes = ["pv1", 6] }
		}
		mirrored {
			id = "LLLLLL-3333-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE", "VISIBLE"]
			segment_count = 1
			segment1 { start_extent = 0 extent_count = 1 type = "raid1" device_count = 2 region_size = 1024
				raids = ["mirrored_rmeta_0", "mirrored_rimage_0", "mirrored_rmeta_1", "mirrored_rimage_1"] }
		}
		mirrored_rmeta_0 {
			id = "LLLLLL-4444-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE"]
			segment_count = 1
			segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1 stripes = ["pv1", 8] }
		}
		mirrored_rimage_0 {
			id = "LLLLLL-5555-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE"]
			segment_count = 1
			segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1 stripes = ["pv1", 9] }
		}
		mirrored_rmeta_1 {
			id = "LLLLLL-6666-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE"]
			segment_count = 1
			segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1 stripes = ["pv0", 8] }
		}
		mirrored_rimage_1 {
			id = "LLLLLL-7777-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE"]
			segment_count = 1
			segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1 stripes = ["pv0", 9] }
		}
		pool {
			id = "LLLLLL-8888-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE", "VISIBLE"]
			segment_count = 1
			segment1 { start_extent = 0 extent_count = 1 type = "thin-pool" metadata = "pool_tmeta" pool = "pool_tdata"
				transaction_id = 0 chunk_size = 128 discards = "passdown" zero_new_blocks = 1 }
		}
		dealt {
			id = "LLLLLL-bbbb-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE", "VISIBLE"]
			segment_count = 1
			segment1 { start_extent = 0 extent_count = 2 type = "raid0" stripe_count = 2 stripe_size = 256
				raid0_lvs = ["dealt_rimage_0", "dealt_rimage_1"] }
		}
		dealt_rimage_0 {
			id = "LLLLLL-cccc-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE"]
			segment_count = 1
			segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1 stripes = ["pv0", 12] }
		}
		dealt_rimage_1 {
			id = "LLLLLL-dddd-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE"]
			segment_count = 1
			segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1 stripes = ["pv1", 12] }
		}
		yesterday {
			id = "LLLLLL-eeee-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE"]
			segment_count = 1
			segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1 stripes = ["pv0", 13] }
		}
		snapshot0 {
			id = "LLLLLL-ffff-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE", "VISIBLE"]
			segment_count = 1
			segment1 { start_extent = 0 extent_count = 3 type = "snapshot" chunk_size = 16 origin = "linear" cow_store = "yesterday" }
		}
		restored {
			id = "LLLLLL-gggg-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE", "VISIBLE"]
			segment_count = 1
			segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1 stripes = ["pv0", 14] }
		}
		merging {
			id = "LLLLLL-hhhh-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE"]
			segment_count = 1
			segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1 stripes = ["pv1", 13] }
		}
		snapshot1 {
			id = "LLLLLL-iiii-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE", "VISIBLE"]
			segment_count = 1
			segment1 { start_extent = 0 extent_count = 1 type = "snapshot" chunk_size = 16 origin = "restored" merging_store = "merging" }
		}
		pool_tmeta {
			id = "LLLLLL-9999-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE"]
			segment_count = 1
			segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1 stripes = ["pv0", 10] }
		}
		pool_tdata {
			id = "LLLLLL-aaaa-0000-0000-0000-0000-000000"
			status = ["READ", "WRITE"]
			segment_count = 1
			segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1 stripes = ["pv0", 11] }
		}
	}`

// group has LVM's own tools write the metadata of a group on two devices,
// whose extents are then filled so that each 64 KiB tells where it is. It
// returns the names that lvs lists too.
func group(t *testing.T) (devices [][]byte, names []string) {
	t.Helper()
	oracle.Root(t)
	dir := t.TempDir()
	text := filepath.Join(dir, "vg.txt")
	pv := func(name, id string) string {
		return fmt.Sprintf(`%s { id = %q status = ["ALLOCATABLE"] dev_size = %d pe_start = 2048 pe_count = 15 }`, name, id, deviceSize/512)
	}
	err := os.WriteFile(text, []byte(`contents = "Text Format Volume Group"
version = 1
my-group {
	id = "VVVVVV-0000-0000-0000-0000-0000-000000"
	seqno = 7 format = "lvm2" status = ["RESIZEABLE", "READ", "WRITE"] flags = []
	extent_size = 2048 max_lv = 0 max_pv = 0 metadata_copies = 0
	physical_volumes { `+pv("pv0", pv0ID)+pv("pv1", pv1ID)+` }`+logicalVolumes+`
}
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	var files, loops []string
	for i, id := range []string{pv0ID, pv1ID} {
		name := filepath.Join(dir, fmt.Sprintf("pv%d", i))
		if err := os.WriteFile(name, make([]byte, deviceSize), 0o600); err != nil {
			t.Fatal(err)
		}
		loop := strings.TrimSpace(oracle.Run(t, "losetup", "-f", "--show", name))
		t.Cleanup(func() { oracle.Run(t, "losetup", "-d", loop) })
		// Other tests may have physical volumes of the same UUIDs at the same time.
		alone := fmt.Sprintf("devices{filter=[%q,\"r|.*|\"]}", "a|"+loop+"$|")
		oracle.Run(t, "pvcreate", "-qq", "--config", alone, "--uuid", id, "--norestorefile", "--dataalignment", "1m", loop)
		files, loops = append(files, name), append(loops, loop)
	}
	filter := fmt.Sprintf("devices{filter=[%q,%q,\"r|.*|\"]} global{activation=0}", "a|"+loops[0]+"$|", "a|"+loops[1]+"$|")
	oracle.Run(t, "vgcfgrestore", "-q", "--force", "--yes", "--config", filter, "-f", text, "my-group")
	lvs := exec.Command(oracle.Tool(t, "lvs"), "--config", filter, "--noheadings", "-o", "lv_name", "my-group")
	listed, err := lvs.Output()
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range files {
		oracle.Run(t, "sync", name)
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for off := extent; off < len(b); off += 64 << 10 {
			copy(b[off:], chunk(i, off))
		}
		devices = append(devices, b)
	}
	return devices, strings.Fields(string(listed))
}

// chunk is the 64 KiB at an offset of a physical volume.
func chunk(pv, off int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "pv%d at %08x\n", pv, off), 64<<10/16)
}

// extentOf is an extent of a physical volume.
func extentOf(pv, n int) []byte {
	var b []byte
	for off := (n + 1) * extent; off < (n+2)*extent; off += 64 << 10 {
		b = append(b, chunk(pv, off)...)
	}
	return b
}

func scan(t *testing.T, devices ...[]byte) *lvm.Group {
	t.Helper()
	var list []lvm.Device
	for i, b := range devices {
		list = append(list, lvm.Device{Name: fmt.Sprintf("p%d", i+1), Reader: bytes.NewReader(b), Size: int64(len(b))})
	}
	groups, err := lvm.Scan(list)
	if err != nil {
		t.Fatal(err)
	}
	if len(groups) != 1 {
		t.Fatalf("%d groups, want 1", len(groups))
	}
	return groups[0]
}

func contents(t *testing.T, g *lvm.Group, name string) ([]byte, error) {
	t.Helper()
	for _, v := range g.Volumes {
		if v.Name != name {
			continue
		}
		r, err := v.Open()
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(r)
		if err == nil && int64(len(b)) != v.Size {
			t.Errorf("%s: %d bytes of %d", name, len(b), v.Size)
		}
		return b, err
	}
	t.Fatalf("no volume %s", name)
	return nil, nil
}

func TestVolumesHaveTheBytesTheMetadataOfLVMsToolsSays(t *testing.T) {
	devices, listed := group(t)
	g := scan(t, devices...)
	if g.Name != "my-group" || g.ExtentSize != extent || len(g.Missing) > 0 {
		t.Errorf("group is %s, extents %d, missing %q", g.Name, g.ExtentSize, g.Missing)
	}
	var names []string
	for _, v := range g.Volumes {
		names = append(names, v.Name)
		if want := "my--group-" + strings.ReplaceAll(v.Name, "-", "--"); v.MapperName() != want {
			t.Errorf("%s is mapped as %s, want %s", v.Name, v.MapperName(), want)
		}
	}
	if slices.Sort(names); !slices.Equal(names, listed) {
		t.Errorf("volumes are %q, lvs lists %q", names, listed)
	}
	var stripes, dealt []byte
	for off := 0; off < 2*extent; off += 64 << 10 {
		stripes = append(append(stripes, chunk(0, 2*extent+off)...), chunk(1, 2*extent+off)...)
	}
	for off := 0; off < extent; off += 128 << 10 {
		for pv := range 2 {
			dealt = append(append(dealt, chunk(pv, 13*extent+off)...), chunk(pv, 13*extent+off+64<<10)...)
		}
	}
	for name, want := range map[string][]byte{
		"linear":         bytes.Join([][]byte{extentOf(1, 3), extentOf(1, 4), extentOf(0, 0)}, nil),
		"striped-volume": stripes,
		"mirrored":       extentOf(1, 9),
		"dealt":          dealt,
		"only1":          append(extentOf(1, 6), extentOf(1, 7)...),
	} {
		if b, err := contents(t, g, name); err != nil || !bytes.Equal(b, want) {
			t.Errorf("%s is not as the segments say: %v", name, err)
		}
	}
	for name, why := range map[string]string{
		"pool": "thin-pool", "restored": "is being merged",
	} {
		if _, err := contents(t, g, name); !errors.Is(err, lvm.ErrUnsupported) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want an error that it %s", name, err, why)
		}
	}
}

func TestASnapshotWithoutItsHeaderIsDamaged(t *testing.T) {
	devices, _ := group(t)
	if _, err := contents(t, scan(t, devices...), "yesterday"); err == nil || !strings.Contains(err.Error(), "header of the snapshot is damaged") {
		t.Error(err)
	}
}

func TestVolumesOfAMissingDeviceAreNamedAndRefused(t *testing.T) {
	devices, _ := group(t)
	g := scan(t, devices[0])
	if len(g.Missing) != 1 || g.Missing[0] != pv1ID {
		t.Errorf("missing are %q", g.Missing)
	}
	for _, name := range []string{"linear", "striped-volume", "only1"} {
		if _, err := contents(t, g, name); !errors.Is(err, lvm.ErrMissing) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b, err := contents(t, g, "mirrored"); err != nil || !bytes.Equal(b, extentOf(0, 9)) {
		t.Errorf("a mirror is not read from the leg that is there: %v", err)
	}
}

func TestReadsOfAnyPieceAgreeWithTheWhole(t *testing.T) {
	devices, _ := group(t)
	g := scan(t, devices...)
	rng := oracle.Seed(t)
	for _, v := range g.Volumes[:2] {
		whole, err := contents(t, g, v.Name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := v.Open()
		if err != nil {
			t.Fatal(err)
		}
		for range 200 {
			off := rng.IntN(len(whole))
			b := make([]byte, rng.IntN(300<<10))
			n, err := r.ReadAt(b, int64(off))
			if want := whole[off:min(len(whole), off+len(b))]; !bytes.Equal(b[:n], want) || (err == nil) != (n == len(b)) {
				t.Fatalf("%s: %d bytes at %d: %d, %v", v.Name, len(b), off, n, err)
			}
		}
	}
}
