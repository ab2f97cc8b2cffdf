package vdi_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/qedfs/qedfs/adapters/images/internal/imagetest"
	"github.com/qedfs/qedfs/adapters/images/vdi"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

const module = "../../.."

// anyParent shows zeroes, whoever is asked for.
type anyParent struct {
	*qedfile.Raw
	id vdi.ID
}

func (p anyParent) Header() vdi.Header { return vdi.Header{ID: p.id, Modified: p.id} }

func open(r backend.Reader) (qedfile.Disk, error) {
	m, err := vdi.Open(r, &vdi.Options{Parent: func(ref vdi.ParentRef) (qedfile.Disk, error) {
		raw, err := qedfile.NewRaw(backend.NewMemory(nil))
		return anyParent{raw, ref.ID}, err
	}})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// images are those of the tools, and a differencing one.
func images(tb testing.TB) map[string][]byte {
	tb.Helper()
	b := imagetest.MachineImages(tb, module, "*.vdi")
	rng := rand.New(rand.NewPCG(1, 1))
	d := &imagetest.Difference{ParentID: [16]byte{1}, Data: make([]byte, 5<<20), Written: func(s int64) bool { return s/5000%2 == 0 }}
	for i := range d.Data[:1<<20] {
		d.Data[i] = byte(rng.Uint32())
	}
	b["differencing"] = d.VDI(1<<20, 512)
	return b
}

func TestMutantsEndInAnErrorAtWorst(t *testing.T) {
	imagetest.Mutants(t, images(t), []int64{0x40, 0x150, 512}, nil, open)
}

func FuzzOpen(f *testing.F) { imagetest.FuzzPatches(f, images(f), nil, open) }

func TestHeadersThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		at   int
		b    string
		want error
	}{
		{"no signature", 0x40, "\x00", qedfile.ErrFormat},
		{"version 0.1", 0x44, "\x01\x00\x00\x00", qedfile.ErrUnsupported},
		{"type 5", 0x4c, "\x05", qedfile.ErrUnsupported},
		{"sectors of 4096 bytes", 0x168, "\x00\x10", qedfile.ErrUnsupported},
		{"a block of no bytes", 0x178, "\x00\x00\x00\x00", qedfile.ErrFormat},
		{"a block of half a sector", 0x178, "\x00\x01\x00\x00", qedfile.ErrFormat},
		{"a block of 2 GiB", 0x178, "\x00\x00\x00\x80", qedfile.ErrFormat},
		{"a map inside the header", 0x154, "\x10\x00", qedfile.ErrFormat},
		{"a map that is not aligned", 0x154, "\x01\x02", qedfile.ErrFormat},
		{"fewer blocks than the disk has", 0x180, "\x05\x00", qedfile.ErrFormat},
		{"a map longer than the file", 0x180, "\xff\xff\xff\x7f", qedfile.ErrFormat},
		{"a disk larger than numbers", 0x170, "\xff\xff\xff\xff\xff\xff\xff\xff", qedfile.ErrFormat},
		{"differencing without a parent", 0x4c, "\x04", qedfile.ErrFormat},
	} {
		b := imagetest.MachineImages(t, module, "dynamic.vdi")["dynamic.vdi"]
		copy(b[c.at:], c.b)
		if _, err := open(backend.NewMemory(b)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := open(backend.NewMemory(make([]byte, 100))); !errors.Is(err, qedfile.ErrFormat) {
		t.Errorf("a file of 100 bytes: %v", err)
	}
}

func TestADamagedEntryIsAnErrorForItsBlockAlone(t *testing.T) {
	b := imagetest.MachineImages(t, module, "dynamic.vdi")["dynamic.vdi"]
	copy(b[512:], "\x00\x00\xff\x00") // of block 0
	m, err := open(backend.NewMemory(b))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	p := make([]byte, 512)
	if _, err := m.ReadAt(p, 1<<20-512); !errors.Is(err, qedfile.ErrCorrupt) {
		t.Errorf("a block past the end of the file: %v", err)
	}
	if _, err := m.ReadAt(p, 1<<20); err != nil {
		t.Errorf("the block behind it: %v", err)
	}
	for e, err := range m.(qedfile.Mapper).Extents(0, m.Size()) {
		if (err != nil) != (e.Start == 0) || e.Start == 0 && e.Length != 1<<20 {
			t.Errorf("extent %+v: %v", e, err)
		}
	}
}
