package images_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// TestOverlaysAreCopiedOverTheirBackingFile copies what an image stores itself,
// zeroes that hide its backing file too.
func TestOverlaysAreCopiedOverTheirBackingFile(t *testing.T) {
	rng := oracle.Seed(t)
	for _, m := range []machineImage{
		{"vmdk", "subformat=monolithicSparse"},
		{"vmdk", "subformat=monolithicSparse,zeroed_grain=on"},
		{"vmdk", "subformat=twoGbMaxExtentSparse,zeroed_grain=on"},
		{"vmdk", "subformat=streamOptimized"},
		{"qcow2", ""},
		{"qcow2", "compat=v2,cluster_size=4k"},
		{"qcow2", "extended_l2=on,preallocation=metadata"},
	} {
		t.Run(m.String(), func(t *testing.T) {
			dir := t.TempDir()
			base, top, copied := filepath.Join(dir, "base"), filepath.Join(dir, "top"), filepath.Join(dir, "copy")
			size := (64 << 10) * (1 + rng.Int64N(100))
			writeRandomRaw(t, rng, base+".raw", size)
			oracle.Run(t, "qemu-img", "convert", "-f", "raw", "-O", m.format, base+".raw", base)
			options := "cluster_size=4k"
			if m.format == "vmdk" {
				options = "zeroed_grain=on"
			}
			oracle.Run(t, "qemu-img", "create", "-q", "-f", m.format, "-o", options, "-b", base, "-F", m.format, top)
			for _, commands := range randomHistory(rng, size, false) {
				qemuIO(t, m.format, top, commands)
			}
			d := open(t, top, &images.Options{Files: images.Anywhere(top)})
			parent := open(t, base, nil)
			f, err := backend.OpenFile(copied, os.O_RDWR|os.O_CREATE, nil)
			if err != nil {
				t.Fatal(err)
			}
			parts := []*backend.File{f}
			opts := &images.WriteOptions{
				Values: m.values(), Name: "copy", BackingFile: "base", BackingFormat: m.format, Backing: parent,
				Create: func(part string) (backend.Storage, error) {
					f, err := backend.OpenFile(filepath.Join(dir, part), os.O_RDWR|os.O_CREATE, nil)
					parts = append(parts, f)
					return f, err
				},
			}
			if err := images.Write(t.Context(), m.format, f, d, opts); err != nil {
				t.Fatal(err)
			}
			for _, f := range parts {
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
			}
			compareBytes(t, open(t, copied, &images.Options{Files: images.Anywhere(copied)}), contents(t, d))
			oracle.Run(t, "qemu-img", "compare", "-U", "-f", m.format, "-F", m.format, top, copied)
			oracle.Run(t, "qemu-img", "check", "-U", "-f", m.format, copied)
		})
	}
}

// TestChecksFindWhatIsDamaged damages one place of each format that has a check.
func TestChecksFindWhatIsDamaged(t *testing.T) {
	for _, c := range []struct {
		m           machineImage
		damage      func(b []byte) []byte
		corruptions int64
	}{
		{machineImage{"vdi", ""}, func(b []byte) []byte { return b }, 0},
		{machineImage{"vdi", ""}, func(b []byte) []byte { copy(b[512+4:], b[512:512+4]); return b }, 1},
		{machineImage{"vdi", ""}, func(b []byte) []byte { binary.LittleEndian.PutUint32(b[512:], 1000); return b }, 2},
		{machineImage{"vdi", ""}, func(b []byte) []byte { b[0x184]++; return b }, 1},
		{machineImage{"vhdx", "block_size=1M"}, func(b []byte) []byte { return b }, 0},
		{machineImage{"vhdx", "block_size=1M"}, func(b []byte) []byte { return b[:len(b)-1<<20] }, 1},
		{machineImage{"vmdk", "subformat=monolithicSparse"}, func(b []byte) []byte { return b }, 0},
		{machineImage{"vmdk", "subformat=monolithicSparse"}, func(b []byte) []byte { return b[:len(b)-64<<10] }, 1},
	} {
		name := filepath.Join(t.TempDir(), "disk")
		disk := make([]byte, 3<<20)
		for i := range disk {
			disk[i] = byte(1 + i%255)
		}
		src, err := qedfile.NewRaw(backend.NewMemory(disk))
		if err != nil {
			t.Fatal(err)
		}
		writeImage(t, c.m, src, name, 1)
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, c.damage(b), 0o666); err != nil {
			t.Fatal(err)
		}
		r, err := open(t, name, nil).(layer.Checker).Check(t.Context(), nil)
		if err != nil || r.Corruptions != c.corruptions {
			t.Errorf("%v: %+v, %v; want %d corruptions", c.m, r, err, c.corruptions)
		}
	}
}
