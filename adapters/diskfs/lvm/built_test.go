package lvm_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/lvm"
)

// A physical volume written here, byte by byte, shows what LVM's tools do not
// make: damage, and states between two writes.
type built struct {
	id     string // of the label, without hyphens
	sector int    // of the label
	areas  []string
	change func(device []byte) // before the checksums of label and areas
}

const (
	areaSize  = 64 << 10
	dataStart = 1 << 20
	builtSize = 4 << 20
)

func (b built) bytes() []byte {
	le := binary.LittleEndian
	device := make([]byte, builtSize)
	label := device[b.sector*512:][:512]
	copy(label, "LABELONE")
	le.PutUint64(label[8:], uint64(b.sector))
	le.PutUint32(label[20:], 32)
	copy(label[24:], "LVM2 001"+b.id)
	le.PutUint64(label[64:], builtSize)
	lists := label[72:]
	put := func(off, size uint64) {
		le.PutUint64(lists, off)
		le.PutUint64(lists[8:], size)
		lists = lists[16:]
	}
	put(dataStart, 0)
	put(0, 0)
	for i, text := range b.areas {
		at := 4096 + i*areaSize
		put(uint64(at), areaSize)
		header := device[at:][:512]
		copy(header[4:], " LVM2 x[5A%r0N*>\x01")
		le.PutUint64(header[24:], uint64(at))
		le.PutUint64(header[32:], areaSize)
		// The text is where LVM would have put it after many changes: at the
		// end of the ring, and on at its start.
		off := areaSize - len(text)/2
		le.PutUint64(header[40:], uint64(off))
		le.PutUint64(header[48:], uint64(len(text)))
		le.PutUint32(header[56:], checksum([]byte(text)))
		n := copy(device[at+off:at+areaSize], text)
		copy(device[at+512:], text[n:])
	}
	for off := dataStart; off < len(device); off += 64 << 10 {
		copy(device[off:], fmt.Sprintf("%.4s at %08x", b.id, off))
	}
	if b.change != nil {
		b.change(device)
	}
	for i := range b.areas {
		header := device[4096+i*areaSize:][:512]
		le.PutUint32(header, checksum(header[4:]))
	}
	le.PutUint32(label[16:], checksum(label[20:]))
	return device
}

// checksum is LVM's.
func checksum(b []byte) uint32 { return ^crc32.Update(^uint32(0xf597a6cf), crc32.IEEETable, b) }

const (
	onePV  = `one { id = "1111-1" status = ["ALLOCATABLE"] pe_start = 2048 pe_count = 3 }`
	twoPVs = onePV + ` two { id = "2222-2" status = ["ALLOCATABLE"] pe_start = 2048 pe_count = 3 }`
	id1    = "11111"
	id2    = "22222"
)

// metadata is the text of a group in extents of 1 MiB.
func metadata(seqno int, pvs string, lvs ...string) string {
	return fmt.Sprintf("vg {\nid = \"VVV\"\nseqno = %d\nstatus = [\"RESIZEABLE\"]\nextent_size = 2048\nphysical_volumes { %s }\nlogical_volumes { %s }\n}\n",
		seqno, pvs, strings.Join(lvs, "\n"))
}

// lv is a visible logical volume of some segments.
func lv(name string, segments ...string) string {
	s := fmt.Sprintf("%s { id = \"%s-id\" status = [\"VISIBLE\"] segment_count = %d\n", name, name, len(segments))
	for i, seg := range segments {
		s += fmt.Sprintf("segment%d { %s }\n", i+1, seg)
	}
	return s + "}"
}

// linear is a segment on one physical volume.
func linear(start, count int, pv string, extent int64) string {
	return fmt.Sprintf(`start_extent = %d extent_count = %d type = "striped" stripe_count = 1 stripes = [%q, %d]`, start, count, pv, extent)
}

// device makes a label with an identifier as LVM has it, 32 characters, whose
// end is all that differs here.
func device(id string, areas ...string) built { return built{id: id, areas: areas} }

// scanBuilt scans devices and returns the groups and the error.
func scanBuilt(devices ...built) ([]*lvm.Group, error) {
	var list []lvm.Device
	for i, d := range devices {
		b := d.bytes()
		list = append(list, lvm.Device{Name: fmt.Sprintf("p%d", i+1), Reader: bytes.NewReader(b), Size: int64(len(b))})
	}
	return lvm.Scan(list)
}

// at is the first 16 bytes of an extent of a device.
func at(id string, extent int) string {
	return fmt.Sprintf("%.4s at %08x", id, dataStart+extent<<20)
}

func pad(id string) string { return id + strings.Repeat("0", 32-len(id)) }

// text makes metadata whose physical volumes have the whole identifiers.
func text(seqno int, pvs string, lvs ...string) string {
	return metadata(seqno, strings.NewReplacer("1111-1", pad(id1), "2222-2", pad(id2)).Replace(pvs), lvs...)
}

func TestTheLatestMetadataIsUsedInWhateverOrderItIsFound(t *testing.T) {
	old, recent := text(9, onePV, lv("before", linear(0, 1, "one", 0))), text(10, onePV, lv("after", linear(0, 1, "one", 1)))
	for name, areas := range map[string][]string{"the latest last": {old, recent}, "the latest first": {recent, old}} {
		groups, err := scanBuilt(device(pad(id1), areas...))
		if err != nil || len(groups) != 1 || len(groups[0].Volumes) != 1 || groups[0].Volumes[0].Name != "after" {
			t.Errorf("%s: %v, %v", name, groups, err)
		}
	}
	for name, order := range map[string][2]string{"the latest last": {old, recent}, "the latest first": {recent, old}} {
		both := func(s string) string { return strings.Replace(s, onePV, twoPVs, 1) }
		groups, err := scanBuilt(device(pad(id1), both(order[0])), device(pad(id2), both(order[1])))
		if err != nil || len(groups) != 1 || len(groups[0].Volumes) != 1 || groups[0].Volumes[0].Name != "after" {
			t.Errorf("on two devices, %s: %v, %v", name, groups, err)
		}
	}
}

func TestSegmentsAreLaidOutAsTheirTypeSays(t *testing.T) {
	hidden := func(name, pv string, extent int64) string {
		return strings.Replace(lv(name, linear(0, 1, pv, extent)), `"VISIBLE"`, "", 1)
	}
	images := []string{hidden("v_rmeta_0", "one", 2), hidden("v_rimage_0", "one", 1), hidden("v_rmeta_1", "two", 2), hidden("v_rimage_1", "two", 0)}
	const both = `["v_rmeta_0", "v_rimage_0", "v_rmeta_1", "v_rimage_1"]`
	for name, c := range map[string]struct {
		segments []string
		want     map[int64]string // what stands where
		size     int64
	}{
		"striped": {[]string{`start_extent = 0 extent_count = 2 type = "striped" stripe_count = 2 stripe_size = 128 stripes = ["one", 1, "two", 0]`},
			map[int64]string{0: at(id1, 1), 64 << 10: at(id2, 0), 1 << 20: fmt.Sprintf("1111 at %08x", dataStart+1<<20+512<<10)}, 2 << 20},
		"raid0":      {[]string{`start_extent = 0 extent_count = 2 type = "raid0" stripe_count = 2 stripe_size = 128 raid0_lvs = ["v_rimage_0", "v_rimage_1"]`}, map[int64]string{0: at(id1, 1), 64 << 10: at(id2, 0)}, 2 << 20},
		"raid0_meta": {[]string{`start_extent = 0 extent_count = 2 type = "raid0_meta" stripe_count = 2 stripe_size = 128 raid0_lvs = ` + both}, map[int64]string{0: at(id1, 1), 64 << 10: at(id2, 0)}, 2 << 20},
		"raid1":      {[]string{`start_extent = 0 extent_count = 1 type = "raid1" raids = ` + both}, map[int64]string{0: at(id1, 1)}, 1 << 20},
		"mirror":     {[]string{`start_extent = 0 extent_count = 1 type = "mirror" mirrors = ["v_rimage_1", 0, "v_rimage_0", 0]`}, map[int64]string{0: at(id2, 0)}, 1 << 20},
		"zero":       {[]string{`start_extent = 0 extent_count = 5 type = "zero"`}, map[int64]string{4 << 20: strings.Repeat("\x00", 16)}, 5 << 20},
		"two segments": {[]string{linear(0, 1, "one", 2), linear(1, 2, "two", 1)},
			map[int64]string{0: at(id1, 2), 1 << 20: at(id2, 1), 2 << 20: at(id2, 2)}, 3 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			meta := text(1, twoPVs, append(images, lv("v", c.segments...))...)
			groups, err := scanBuilt(device(pad(id1), meta), device(pad(id2)))
			if err != nil || len(groups) != 1 || len(groups[0].Volumes) != 1 {
				t.Fatalf("%v, %v", groups, err)
			}
			v := groups[0].Volumes[0]
			r, err := v.Open()
			if err != nil {
				t.Fatal(err)
			}
			if v.Size != c.size || r.Size() != c.size || v.UUID != "v-id" || v.MapperName() != "vg-v" {
				t.Errorf("%s %s has %d bytes, its reader %d", v.MapperName(), v.UUID, v.Size, r.Size())
			}
			for off, want := range c.want {
				got := make([]byte, 16)
				if _, err := r.ReadAt(got, off); err != nil || string(got) != want {
					t.Errorf("at %d: %q, %v; want %q", off, got, err, want)
				}
			}
		})
	}
}

func TestDamageOfAGroupIsSaid(t *testing.T) {
	good := text(1, onePV, lv("v", linear(0, 1, "one", 0)))
	le := binary.LittleEndian
	area := func(device []byte) []byte { return device[4096:] }
	for name, c := range map[string]struct {
		device built
		want   string // a part of the error
	}{
		"a text with a wrong checksum":          {built{id: pad(id1), areas: []string{good}, change: func(d []byte) { area(d)[512] ^= 1 }}, "checksum"},
		"an area outside the device":            {built{id: pad(id1), areas: []string{good}, change: func(d []byte) { le.PutUint64(d[72+32:], builtSize) }}, "outside the device"},
		"an area that is too small":             {built{id: pad(id1), areas: []string{good}, change: func(d []byte) { le.PutUint64(d[72+40:], 511) }}, "outside the device"},
		"an area that ends outside":             {built{id: pad(id1), areas: []string{good}, change: func(d []byte) { le.PutUint64(d[72+40:], builtSize-4095) }}, "outside the device"},
		"an area without its magic":             {built{id: pad(id1), areas: []string{good}, change: func(d []byte) { area(d)[4] = 'x' }}, "damaged"},
		"a text that begins in the header":      {built{id: pad(id1), areas: []string{good}, change: func(d []byte) { le.PutUint64(area(d)[40:], 511) }}, "outside its area"},
		"a text that begins behind the area":    {built{id: pad(id1), areas: []string{good}, change: func(d []byte) { le.PutUint64(area(d)[40:], areaSize) }}, "outside its area"},
		"a text longer than the area":           {built{id: pad(id1), areas: []string{good}, change: func(d []byte) { le.PutUint64(area(d)[48:], areaSize-511) }}, "outside its area"},
		"a text that is none":                   {device(pad(id1), "vg {"), "unexpected end"},
		"no group in the text":                  {device(pad(id1), "contents = 1 vg { id = \"x\" }"), "describes no volume group"},
		"a group without an identifier":         {device(pad(id1), "vg { physical_volumes { } }"), "describes no volume group"},
		"an extent size of nothing":             {device(pad(id1), strings.Replace(good, "extent_size = 2048", "extent_size = 0", 1)), "extent size"},
		"a physical volume that begins nowhere": {device(pad(id1), strings.Replace(good, "pe_start = 2048", "pe_start = -1", 1)), "pe_start"},
		"a physical volume of no size":          {device(pad(id1), strings.Replace(good, "pe_count = 3", "", 1)), "pe_count"},
		"lists of areas that do not end":        {built{id: pad(id1), change: func(d []byte) { copy(d[72:512], bytes.Repeat([]byte{1}, 440)) }}, "cut off"},
		"a header outside its label":            {built{id: pad(id1), change: func(d []byte) { le.PutUint32(d[20:], 512-32-7) }}, "header at byte"},
		"a header before its label":             {built{id: pad(id1), change: func(d []byte) { le.PutUint32(d[20:], 31) }}, "header at byte"},
	} {
		if _, err := scanBuilt(c.device); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "lvm") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestWhatIsNotUsedIsNoDamage(t *testing.T) {
	good := text(1, onePV, lv("v", linear(0, 1, "one", 0)))
	le := binary.LittleEndian
	for name, d := range map[string]built{
		"an area that is ignored":          {id: pad(id1), areas: []string{good}, change: func(d []byte) { le.PutUint32(d[4096+60:], 1) }},
		"an area without a text":           {id: pad(id1), areas: []string{good}, change: func(d []byte) { le.PutUint64(d[4096+48:], 0) }},
		"a label that says another sector": {id: pad(id1), areas: []string{good}, change: func(d []byte) { d[8] = 1 }},
		"a label of another type":          {id: pad(id1), areas: []string{good}, change: func(d []byte) { d[24] = 'x' }},
		"a device without areas":           device(pad(id1)),
	} {
		if groups, err := scanBuilt(d); err != nil || len(groups) != 0 {
			t.Errorf("%s: %v, %v", name, groups, err)
		}
	}
	for sector := range 4 {
		groups, err := scanBuilt(built{id: pad(id1), sector: sector, areas: []string{good}})
		if err != nil || len(groups) != 1 {
			t.Errorf("a label in sector %d: %v, %v", sector, groups, err)
		}
	}
}

func TestDevicesOfOneIdentityAreUsedOnce(t *testing.T) {
	good := text(1, onePV, lv("v", linear(0, 1, "one", 0)))
	groups, err := scanBuilt(device(pad(id1), good), device(pad(id1), text(2, onePV)))
	if err == nil || !strings.Contains(err.Error(), "p2 has the UUID of another") || len(groups) != 1 || len(groups[0].Volumes) != 1 {
		t.Errorf("%v, %v", groups, err)
	}
}

func TestAVolumeThatCannotBeLaidOutSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		lv   string
		want string
		is   error
	}{
		"a gap":                        {lv("v", linear(0, 1, "one", 0), linear(2, 1, "one", 1)), "does not begin where", nil},
		"a segment that is not there":  {strings.Replace(lv("v", linear(0, 1, "one", 0)), "segment1", "segment2", 1), "start_extent", nil},
		"more segments than sections":  {strings.Replace(lv("v", linear(0, 1, "one", 0)), "segment_count = 1", "segment_count = 2", 1), "segment_count", nil},
		"extents past the end":         {lv("v", linear(0, 1, "one", 3)), "past the end of physical volume one", nil},
		"more extents than there are":  {lv("v", linear(0, 4, "one", 0)), "past the end of physical volume one", nil},
		"an extent before the first":   {lv("v", linear(0, 1, "one", -1)), "begins at extent", nil},
		"an extent far away":           {lv("v", linear(0, 1, "one", 1<<50)), "begins at extent", nil},
		"a device cut before its data": {lv("v", linear(0, 1, "gone", 0)), "past the end of physical volume gone", nil},
		"an extent past the end of w":  {lv("v", linear(0, 1, "w", 1)) + lv("w", linear(0, 1, "one", 0)), "past the end of volume w", nil},
		"volumes on volumes":           {lv("v", linear(0, 1, "v1", 0)) + stack(12), "too deeply", nil},
		"a physical volume of no name": {lv("v", linear(0, 1, "none", 0)), "nothing named none", nil},
		"itself":                       {lv("v", linear(0, 1, "v", 0)), "too deeply", nil},
		"an area without an extent":    {lv("v", `start_extent = 0 extent_count = 1 type = "striped" stripes = ["one"]`), "has no first extent", nil},
		"an area without a name":       {lv("v", `start_extent = 0 extent_count = 1 type = "striped" stripes = [1, 1]`), "has no name", nil},
		"no areas":                     {lv("v", `start_extent = 0 extent_count = 1 type = "striped" stripes = []`), "no areas", nil},
		"stripes of no size":           {lv("v", `start_extent = 0 extent_count = 2 type = "striped" stripe_size = 0 stripes = ["one", 0, "one", 1]`), "stripe size", nil},
		"a type that is not read":      {lv("v", `start_extent = 0 extent_count = 2 type = "vdo"`), `type "vdo"`, lvm.ErrUnsupported},
		"a device that is not there":   {lv("v", linear(0, 1, "two", 0)), "two", lvm.ErrMissing},
		"a volume that is too short":   {lv("v", linear(0, 2, "w", 0)) + lv("w", linear(0, 1, "one", 0)), "past the end of volume w", nil},
	} {
		groups, err := scanBuilt(device(pad(id1), text(1, twoPVs+` gone { id = "`+pad(id1)+`" pe_start = 9000 pe_count = 3 }`, c.lv)))
		if err != nil || len(groups) != 1 || len(groups[0].Volumes) == 0 {
			t.Errorf("%s: %v, %v", name, groups, err)
			continue
		}
		_, err = groups[0].Volumes[0].Open()
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "v") || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// stack is volumes v1, v2, ... that each stand on the next.
func stack(n int) string {
	s := lv(fmt.Sprint("v", n), linear(0, 1, "one", 0))
	for i := 1; i < n; i++ {
		s += lv(fmt.Sprint("v", i), linear(0, 1, fmt.Sprint("v", i+1), 0))
	}
	return s
}

func TestASectionThatComesTwiceCountsOnce(t *testing.T) {
	v := lv("v", linear(0, 1, "one", 0))
	groups, err := scanBuilt(device(pad(id1), text(1, onePV, v, v)))
	if err != nil || len(groups) != 1 || len(groups[0].Volumes) != 1 {
		t.Errorf("%v, %v", groups, err)
	}
}

func TestADeviceThatWasCutGivesAnErrorWhereItEnds(t *testing.T) {
	b := device(pad(id1), text(1, onePV, lv("v", linear(0, 3, "one", 0)))).bytes()
	for size, want := range map[int64]bool{builtSize: true, 3<<20 + 100: false} {
		groups, err := lvm.Scan([]lvm.Device{{Name: "p1", Reader: bytes.NewReader(b[:size]), Size: size}})
		if err != nil || len(groups) != 1 {
			t.Fatalf("%v, %v", groups, err)
		}
		r, err := groups[0].Volumes[0].Open()
		if err != nil {
			t.Fatal(err)
		}
		if n, err := r.ReadAt(make([]byte, 1<<20), 2<<20); (err == nil) != want {
			t.Errorf("of %d bytes: %d, %v", size, n, err)
		}
	}
}
