package images_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/adapters/images/internal/imagetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// A machineImage is an image of a virtual machine's format as qemu-img makes it.
type machineImage struct{ format, options string }

func (m machineImage) String() string { return m.format + " " + m.options }

// machineImages are all forms that qemu-img makes of these formats.
var machineImages = []machineImage{
	{"vmdk", "subformat=monolithicSparse"},
	{"vmdk", "subformat=monolithicSparse,adapter_type=lsilogic,hwversion=10,toolsversion=2147483646"},
	{"vmdk", "subformat=monolithicSparse,compat6=on,adapter_type=buslogic"},
	{"vmdk", "subformat=monolithicSparse,zeroed_grain=on,adapter_type=legacyESX"},
	{"vmdk", "subformat=monolithicFlat"},
	{"vmdk", "subformat=twoGbMaxExtentSparse"},
	{"vmdk", "subformat=twoGbMaxExtentFlat"},
	{"vmdk", "subformat=streamOptimized"},
	{"vdi", "static=off"},
	{"vdi", "static=on"},
	{"vpc", "subformat=dynamic"},
	{"vpc", "subformat=dynamic,force_size=on"},
	{"vpc", "subformat=fixed"},
	{"vpc", "subformat=fixed,force_size=on"},
	{"vhdx", "subformat=dynamic"},
	{"vhdx", "subformat=dynamic,block_size=1M,log_size=1M"},
	{"vhdx", "subformat=dynamic,block_size=256M,block_state_zero=off"},
	{"vhdx", "subformat=dynamic,log_size=7M"},
	{"vhdx", "subformat=fixed"},
}

// TestImagesOfQemuAreReadAsQemuDoes makes each form, writes it by random
// histories, and compares every byte and the map.
func TestImagesOfQemuAreReadAsQemuDoes(t *testing.T) {
	rng := oracle.Seed(t)
	rounds := 1
	if oracle.Long() {
		rounds = 20
	}
	for range rounds {
		for _, m := range machineImages {
			seed := rng.Uint64()
			t.Run(m.String(), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 1))
				name := filepath.Join(t.TempDir(), "disk."+m.format)
				size := (1<<20 + rng.Int64N(40<<20)) / 512 * 512
				if m.format == "vhdx" {
					size = size >> 20 << 20 // qemu rounds, and so that all of it can be written
				}
				oracle.Run(t, "qemu-img", "create", "-q", "-f", m.format, "-o", m.options, name, fmt.Sprint(size))
				for _, commands := range randomHistory(rng, size, strings.Contains(m.options, "streamOptimized")) {
					qemuIO(t, m.format, name, commands)
				}
				compareWithQemu(t, name, m.format)
			})
		}
	}
}

// TestImagesConvertedByQemuAreReadAsQemuDoes is the same for images that
// qemu-img fills, as it does streams.
func TestImagesConvertedByQemuAreReadAsQemuDoes(t *testing.T) {
	rng := oracle.Seed(t)
	for _, m := range machineImages {
		seed := rng.Uint64()
		t.Run(m.String(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			dir := t.TempDir()
			raw, name := filepath.Join(dir, "raw"), filepath.Join(dir, "disk."+m.format)
			writeRandomRaw(t, rng, raw, 1<<20+rng.Int64N(20<<20)/512*512)
			oracle.Run(t, "qemu-img", "convert", "-f", "raw", "-O", m.format, "-o", m.options, raw, name)
			compareWithQemu(t, name, m.format)
		})
	}
}

// writeRandomRaw makes a raw disk that has data, repeated bytes and holes.
func writeRandomRaw(t *testing.T, rng *rand.Rand, name string, size int64) []byte {
	t.Helper()
	b := make([]byte, size)
	for range 10 {
		part := b[rng.Int64N(size):]
		part = part[:rng.IntN(min(len(part), 1<<20))]
		switch rng.IntN(3) {
		case 0:
			for i := range part {
				part[i] = byte(rng.Uint32())
			}
		case 1:
			fill := byte(rng.Uint32())
			for i := range part {
				part[i] = fill
			}
		default:
			clear(part)
		}
	}
	if err := os.WriteFile(name, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return b
}

// randomHistory returns commands of qemu-io that write to a disk, for one run
// of it after the other. A stream takes whole grains, and each of them once.
func randomHistory(rng *rand.Rand, size int64, stream bool) [][]string {
	const grain = 64 << 10
	runs := make([][]string, 1+rng.IntN(3))
	written := make(map[int64]bool)
	for i := range runs {
		for range 1 + rng.IntN(12) {
			off := rng.Int64N(size / 512)
			n := 512 * (1 + rng.Int64N(min(size/512-off, 1<<rng.IntN(12))))
			off *= 512
			command := fmt.Sprintf("write -P %d %d %d", 1+rng.IntN(255), off, n)
			if rng.IntN(5) == 0 {
				command = fmt.Sprintf("write -z %d %d", off, n)
			}
			if stream {
				off = off / grain * grain
				if written[off] {
					continue
				}
				written[off] = true
				command = fmt.Sprintf("write -c -P %d %d %d", 1+rng.IntN(255), off, min(grain, size-off))
			}
			runs[i] = append(runs[i], command)
		}
	}
	return runs
}

// qemuIO has qemu-io run commands on an image.
func qemuIO(t *testing.T, format, name string, commands []string) {
	t.Helper()
	args := []string{"-f", format}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	args = append(args, "-c", "length", name)
	if out := oracle.Run(t, "qemu-io", args...); strings.Contains(out, "rror") {
		t.Fatalf("qemu-io %q:\n%s", args, out)
	}
}

// compareWithQemu compares an image as we read it with what qemu-img shows.
func compareWithQemu(t *testing.T, name, format string) {
	t.Helper()
	d := open(t, name, &images.Options{Files: images.Anywhere(name)})
	raw := filepath.Join(t.TempDir(), "raw")
	oracle.Run(t, "qemu-img", "convert", "-f", format, "-O", "raw", name, raw)
	want, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	compareBytes(t, d, want)
	if format == "vhdx" {
		checkMapOfVHDX(t, d, want) // qemu-img has none: it calls all of it data
		return
	}
	imagetest.SameMap(t, d, format, name)
}

// compareBytes reads the disk in requests of many lengths and at once.
func compareBytes(t *testing.T, d qedfile.Disk, want []byte) {
	t.Helper()
	if d.Size() != int64(len(want)) {
		t.Fatalf("the disk has %d bytes, not %d", d.Size(), len(want))
	}
	buf := make([]byte, 300000)
	for off, n := 0, 1; off < len(want); off, n = off+n, n*3%len(buf)+1 {
		part := want[off:min(len(want), off+n)]
		got, err := d.ReadAt(buf[:n], int64(off))
		if got != len(part) || err != nil && err != io.EOF {
			t.Fatalf("ReadAt(%d bytes, %d) = %d, %v", n, off, got, err)
		}
		if !bytes.Equal(buf[:got], part) {
			for i := range part {
				if buf[i] != part[i] {
					t.Fatalf("byte %d is %#x, not %#x", off+i, buf[i], part[i])
				}
			}
		}
	}
}

// checkMapOfVHDX fails where the map calls a part empty that is not.
func checkMapOfVHDX(t *testing.T, d qedfile.Disk, want []byte) {
	t.Helper()
	next := int64(0)
	for e, err := range d.(qedfile.Mapper).Extents(0, d.Size()) {
		if err != nil || e.Start != next {
			t.Fatalf("extent %+v after byte %d: %v", e, next, err)
		}
		next += e.Length
		if part := want[e.Start:next]; e.Kind != qedfile.Data && bytes.Count(part, []byte{0}) != len(part) {
			t.Fatalf("extent %+v is not zeroes", e)
		}
	}
	if next != d.Size() {
		t.Fatalf("the map ends at %d of %d", next, d.Size())
	}
}
