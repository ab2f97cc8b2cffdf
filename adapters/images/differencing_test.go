package images_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/adapters/images/internal/imagetest"
	"github.com/qedfs/qedfs/adapters/images/vdi"
	"github.com/qedfs/qedfs/adapters/images/vhd"
	"github.com/qedfs/qedfs/adapters/images/vhdx"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// A chainKind is a way to lay images over each other that qemu-img lacks.
type chainKind struct {
	format string
	sector int64 // bytes that a layer holds or not; whole blocks for VDI
	make   func(rng *rand.Rand, d *imagetest.Difference) []byte
}

func chainKinds() []chainKind {
	return []chainKind{
		{"vpc", 512, func(_ *rand.Rand, d *imagetest.Difference) []byte { return d.VHD(2 << 20) }},
		{"vpc", 512, func(rng *rand.Rand, d *imagetest.Difference) []byte { return d.VHD(512 << rng.IntN(14)) }},
		{"vhdx", 512, func(_ *rand.Rand, d *imagetest.Difference) []byte { return d.VHDX(512) }},
		{"vhdx", 4096, func(_ *rand.Rand, d *imagetest.Difference) []byte { return d.VHDX(4096) }},
		{"vdi", 1 << 20, func(rng *rand.Rand, d *imagetest.Difference) []byte { return d.VDI(1<<20, 512*rng.Int64N(3)) }},
	}
}

// identity is what a layer over an image refers to.
func identity(t *testing.T, d qedfile.Disk) [16]byte {
	t.Helper()
	switch d := d.(type) {
	case *vhd.Image:
		return d.ID()
	case *vhdx.Image:
		return d.DataWriteID()
	case *vdi.Image:
		return d.Header().ID
	}
	t.Fatalf("a %T", d)
	return [16]byte{}
}

// makeBase writes a random disk as an image without a parent.
func makeBase(t *testing.T, rng *rand.Rand, format, name string, size int64) []byte {
	t.Helper()
	b := writeRandomRaw(t, rng, name+".raw", size)
	src, err := qedfile.NewRaw(backend.NewMemory(b))
	if err != nil {
		t.Fatal(err)
	}
	writeImage(t, machineImage{format: format}, src, name, 1)
	if format != "vdi" {
		return b
	}
	// VirtualBox gives a new image one identity, and its contents another.
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	copy(file[0x198:0x1a8], file[0x188:0x198])
	if err := os.WriteFile(name, file, 0o666); err != nil {
		t.Fatal(err)
	}
	return b
}

// layOver makes a random layer over the image of a disk, and returns the disk
// that it shows.
func layOver(t *testing.T, rng *rand.Rand, kind chainKind, parent, name string, disk []byte) []byte {
	t.Helper()
	p := open(t, parent, &images.Options{Format: kind.format, Files: images.Siblings(parent)})
	d := &imagetest.Difference{ParentID: identity(t, p), ParentName: `.\` + filepath.Base(parent), Data: bytes.Clone(disk)}
	d.ID[0], d.ID[15] = byte(rng.Uint32()), byte(rng.Uint32())
	written := make(map[int64]bool)
	units := (int64(len(disk)) + kind.sector - 1) / kind.sector
	for range 1 + rng.IntN(20) {
		fill := byte(rng.IntN(3))
		start := rng.Int64N(units)
		for u := start; u < min(units, start+1+rng.Int64N(1<<rng.IntN(13))); u++ {
			part := d.Data[u*kind.sector : min(int64(len(disk)), (u+1)*kind.sector)]
			copy(part, bytes.Repeat([]byte{fill}, len(part)))
			written[u] = true
		}
	}
	d.Written = func(sector int64) bool { return written[sector*512/kind.sector] }
	if err := os.WriteFile(name, kind.make(rng, d), 0o666); err != nil {
		t.Fatal(err)
	}
	return d.Data
}

// TestDifferencingImagesShowTheirParents lays two layers over an image and reads
// them, against a model and against libvhdi where it knows the format.
func TestDifferencingImagesShowTheirParents(t *testing.T) {
	rng := oracle.Seed(t)
	for i, kind := range chainKinds() {
		seed := rng.Uint64()
		t.Run(fmt.Sprint(i, " ", kind.format), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 5))
			dir := t.TempDir()
			names := []string{filepath.Join(dir, "base."+kind.format), filepath.Join(dir, "middle."+kind.format), filepath.Join(dir, "top."+kind.format)}
			disk := makeBase(t, rng, kind.format, names[0], 4096*(1+rng.Int64N(2<<10)))
			for k := 1; k < len(names); k++ {
				disk = layOver(t, rng, kind, names[k-1], names[k], disk)
			}
			top := open(t, names[2], &images.Options{Files: images.Siblings(names[2])})
			compareBytes(t, top, disk)
			checkDepths(t, top, disk)
		})
	}
}

// checkDepths reads what the map says is stored where it says that it is.
func checkDepths(t *testing.T, d qedfile.Disk, disk []byte) {
	t.Helper()
	next := int64(0)
	for e, err := range d.(qedfile.Mapper).Extents(0, d.Size()) {
		if err != nil || e.Start != next {
			t.Fatalf("extent %+v after %d: %v", e, next, err)
		}
		next += e.Length
		part := disk[e.Start:next]
		if e.Kind != qedfile.Data && bytes.Count(part, []byte{0}) != len(part) || e.Depth > 2 {
			t.Fatalf("extent %+v does not hold", e)
		}
	}
	if next != d.Size() {
		t.Fatalf("the map ends at %d of %d", next, d.Size())
	}
}

// TestDifferencingImagesAreReadAsLibvhdiDoes asks an independent reader.
func TestDifferencingImagesAreReadAsLibvhdiDoes(t *testing.T) {
	oracle.File(t, "/usr/lib/python3/dist-packages/pyvhdi*")
	rng := oracle.Seed(t)
	for i, kind := range chainKinds() {
		if i != 0 && i != 2 {
			continue // libvhdi reads VHD blocks of 2 MiB and VHDX sectors of 512 bytes
		}
		if kind.format == "vpc" {
			kind.sector = 4096 // it takes the sectors of one byte of the bitmap to be alike
		}
		seed := rng.Uint64()
		t.Run(fmt.Sprint(i, " ", kind.format), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 6))
			dir := t.TempDir()
			base, top := filepath.Join(dir, "base."+kind.format), filepath.Join(dir, "top."+kind.format)
			disk := makeBase(t, rng, kind.format, base, 4096*(1+rng.Int64N(2<<10)))
			if kind.format == "vhdx" {
				clearIdentity(t, base) // it does not read the parent's identity
			}
			disk = layOver(t, rng, kind, base, top, disk)
			const program = `
import sys, pyvhdi
base, top = pyvhdi.file(), pyvhdi.file()
base.open(sys.argv[1])
top.open(sys.argv[2])
top.set_parent(base)
sys.stdout.buffer.write(top.read_buffer(top.get_media_size()))
`
			out, err := exec.Command("/usr/bin/python3", "-c", program, base, top).Output()
			if err != nil {
				t.Fatalf("libvhdi: %v\n%s", err, stderr(err))
			}
			if !bytes.Equal(out, disk) {
				t.Fatal("the crafted image is not, to libvhdi, what it is meant to be")
			}
			compareBytes(t, open(t, top, &images.Options{Files: images.Siblings(top)}), out)
		})
	}
}

// clearIdentity makes the identity of a VHDX image's contents zeroes.
func clearIdentity(t *testing.T, name string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{64 << 10, 128 << 10} {
		clear(b[at+32 : at+48])
		imagetest.SumVHDX(b[at:][:4096])
	}
	writeFile(t, name, b)
}

func stderr(err error) []byte {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.Stderr
	}
	return nil
}

// TestAParentThatIsNotTheOneIsRefused: what a layer does not hold would be that
// of another disk.
func TestAParentThatIsNotTheOneIsRefused(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for i, kind := range chainKinds() {
		dir := t.TempDir()
		base, top := filepath.Join(dir, "base."+kind.format), filepath.Join(dir, "top."+kind.format)
		layOver(t, rng, kind, base, top, makeBase(t, rng, kind.format, base, 3<<20))
		if _, err := images.Open(top, nil); !errors.Is(err, qedfile.ErrBackingDenied) {
			t.Errorf("%d: without files to be opened: %v", i, err)
		}
		makeBaseAgain(t, rng, kind.format, base)
		if _, err := images.Open(top, &images.Options{Files: images.Siblings(top)}); err == nil {
			t.Errorf("%d: another image with the parent's name was taken for it", i)
		}
		if err := os.Remove(base); err != nil {
			t.Fatal(err)
		}
		if _, err := images.Open(top, &images.Options{Files: images.Siblings(top)}); err == nil {
			t.Errorf("%d: the parent is not there, and nobody says so", i)
		}
	}
}

func makeBaseAgain(t *testing.T, rng *rand.Rand, format, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	makeBase(t, rng, format, name, 3<<20)
}

// TestAVDIParentThatWasChangedIsRefused: its identity is still the same.
func TestAVDIParentThatWasChangedIsRefused(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	dir := t.TempDir()
	base, top := filepath.Join(dir, "base.vdi"), filepath.Join(dir, "top.vdi")
	layOver(t, rng, chainKinds()[4], base, top, makeBase(t, rng, "vdi", base, 3<<20))
	file, err := os.ReadFile(base)
	if err != nil {
		t.Fatal(err)
	}
	file[0x198] ^= 1
	if err := os.WriteFile(base, file, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := images.Open(top, &images.Options{Files: images.Siblings(top)}); !errors.Is(err, qedfile.ErrFormat) {
		t.Errorf("a parent that was changed: %v", err)
	}
}

// TestVMDKChainsAreReadAsQemuDoes has qemu-img lay disks over each other.
func TestVMDKChainsAreReadAsQemuDoes(t *testing.T) {
	rng := oracle.Seed(t)
	for _, subformat := range []string{"monolithicSparse", "twoGbMaxExtentSparse", "monolithicFlat", "streamOptimized"} {
		dir := t.TempDir()
		size := 512 * (1 + rng.Int64N(20<<11))
		base, middle, top := filepath.Join(dir, "base.vmdk"), filepath.Join(dir, "middle.vmdk"), filepath.Join(dir, "top.vmdk")
		writeRandomRaw(t, rng, base+".raw", size)
		oracle.Run(t, "qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat="+subformat, base+".raw", base)
		for _, over := range [][2]string{{base, middle}, {middle, top}} {
			oracle.Run(t, "qemu-img", "create", "-q", "-f", "vmdk", "-b", filepath.Base(over[0]), "-F", "vmdk", "-o", "zeroed_grain=on", over[1])
			for _, commands := range randomHistory(rng, size, false) {
				qemuIO(t, "vmdk", over[1], commands)
			}
		}
		t.Run(subformat, func(t *testing.T) { compareWithQemu(t, top, "vmdk") })
		// Whoever changes a base has made another disk of what lies over it.
		qemuIO(t, "vmdk", middle, []string{"write -P 1 0 512"})
		if _, err := images.Open(top, &images.Options{Files: images.Siblings(top)}); !errors.Is(err, qedfile.ErrFormat) {
			t.Errorf("%s: the middle of the chain was changed: %v", subformat, err)
		}
	}
}

// writeFile writes a file of a test.
func writeFile(t *testing.T, name string, b []byte) string {
	t.Helper()
	if err := os.WriteFile(name, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestMachineFormatsBeneathQED puts the formats beneath a QED image.
func TestMachineFormatsBeneathQED(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for _, m := range writtenImages {
		dir := t.TempDir()
		base, top := filepath.Join(dir, "base."+m.format), filepath.Join(dir, "top.qed")
		b := writeRandomRaw(t, rng, base+".raw", 3<<20)
		src, err := qedfile.NewRaw(backend.NewMemory(b))
		if err != nil {
			t.Fatal(err)
		}
		writeImage(t, m, src, base, 1)
		files := images.Anywhere(top)
		img, err := qedfile.Create(top, int64(len(b)), &qedfile.CreateOptions{BackingFile: filepath.Base(base), Backing: files.Backing})
		if err != nil {
			t.Fatal(m, err)
		}
		compareBytes(t, img, b)
		if err := img.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
