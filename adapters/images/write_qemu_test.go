package images_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// writtenImages are the forms that Write makes.
var writtenImages = []machineImage{
	{"vmdk", ""},
	{"vmdk", "adapter_type=lsilogic,hwversion=13,toolsversion=10304"},
	{"vmdk", "subformat=monolithicSparse"},
	{"vmdk", "subformat=monolithicSparse,adapter_type=buslogic,compat6=on,zeroed_grain=on"},
	{"vmdk", "subformat=streamOptimized,hwversion=undefined"},
	{"vmdk", "subformat=monolithicFlat,adapter_type=legacyESX"},
	{"vmdk", "subformat=twoGbMaxExtentSparse,zeroed_grain=on"},
	{"vmdk", "subformat=twoGbMaxExtentFlat"},
	{"qcow2", ""},
	{"qcow2", "compat=v2,cluster_size=4k"},
	{"qcow2", "preallocation=metadata,lazy_refcounts=on,refcount_bits=1"},
	{"qcow2", "preallocation=falloc,cluster_size=2M"},
	{"qcow2", "preallocation=full,extended_l2=on,compression_type=zstd"},
	{"qcow2", "data_file=data"},
	{"qcow2", "data_file=data,extended_l2=on,preallocation=falloc"},
	{"qcow2", "data_file=data,data_file_raw=on"},
	{"vdi", ""},
	{"vdi", "static=on"},
	{"vpc", ""},
	{"vpc", "subformat=fixed"},
	{"vpc", "force_size=off"},
	{"vpc", "subformat=fixed,force_size=off"},
	{"vhdx", ""},
	{"vhdx", "block_size=1M,log_size=2M"},
	{"vhdx", "subformat=fixed,block_size=2097152"},
}

func (m machineImage) values() map[string]string {
	v := make(map[string]string)
	for option := range strings.SplitSeq(m.options, ",") {
		if name, value, ok := strings.Cut(option, "="); ok {
			v[name] = value
		}
	}
	return v
}

// writeImage writes a disk as an image of a form.
func writeImage(t *testing.T, m machineImage, src qedfile.Disk, name string, workers int) {
	t.Helper()
	f, err := backend.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, nil)
	if err != nil {
		t.Fatal(err)
	}
	opts := &images.WriteOptions{WriteOptions: layer.WriteOptions{Workers: workers}, Values: m.values(), Name: filepath.Base(name)}
	if _, ok := opts.Values["compress"]; ok { // no option of -o, but -c
		opts.Compress = true
		delete(opts.Values, "compress")
	}
	if _, ok := opts.Values["data_file"]; ok {
		opts.Values["data_file"] = name + ".data" // qemu takes relative names for those of the working directory
	}
	files := []*backend.File{f}
	opts.Create = func(part string) (backend.Storage, error) {
		if !filepath.IsAbs(part) {
			part = filepath.Join(filepath.Dir(name), part)
		}
		f, err := backend.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, nil)
		files = append(files, f)
		return f, err
	}
	if err := images.Write(context.Background(), m.format, f, src, opts); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWrittenImagesAreIdenticalAndCleanToQemu writes random disks in each form,
// and has qemu-img compare and check them.
func TestWrittenImagesAreIdenticalAndCleanToQemu(t *testing.T) {
	rng := oracle.Seed(t)
	for _, m := range writtenImages {
		seed := rng.Uint64()
		t.Run(m.String(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			for _, size := range []int64{512, 1<<20 + 512, 512 * (1 + rng.Int64N(80<<11))} {
				dir := t.TempDir()
				raw, name := filepath.Join(dir, "raw"), filepath.Join(dir, "disk."+m.format)
				want := writeRandomRaw(t, rng, raw, size)
				src := open(t, raw, &images.Options{Format: "raw"})
				writeImage(t, m, src, name, 1+rng.IntN(4))
				oracle.Run(t, "qemu-img", "compare", "-f", "raw", "-F", m.format, raw, name)
				if m.format != "vpc" { // qemu-img cannot check those
					oracle.Run(t, "qemu-img", "check", "-f", m.format, name)
				}
				d := open(t, name, &images.Options{Files: images.Anywhere(name)})
				if m.values()["force_size"] == "off" {
					want = append(want, make([]byte, d.Size()-size)...)
				}
				compareBytes(t, d, want)
			}
		})
	}
}

// TestWrittenImagesCanBeWrittenByQemu has qemu-io change the images, which tells
// whether it finds free room where it is.
func TestWrittenImagesCanBeWrittenByQemu(t *testing.T) {
	rng := oracle.Seed(t)
	for _, m := range writtenImages {
		if m.values()["subformat"] == "streamOptimized" {
			continue // a stream is written once
		}
		seed := rng.Uint64()
		t.Run(m.String(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 4))
			dir := t.TempDir()
			raw, name := filepath.Join(dir, "raw"), filepath.Join(dir, "disk."+m.format)
			size := 512 * (1 + rng.Int64N(20<<11))
			src, err := qedfile.NewRaw(backend.NewMemory(writeRandomRaw(t, rng, raw, size)))
			if err != nil {
				t.Fatal(err)
			}
			writeImage(t, m, src, name, 2)
			for _, commands := range randomHistory(rng, size, false) {
				qemuIO(t, m.format, name, commands)
				qemuIO(t, "raw", raw, commands)
			}
			oracle.Run(t, "qemu-img", "compare", "-f", "raw", "-F", m.format, raw, name)
			if v := m.values(); v["preallocation"] == "" && v["data_file_raw"] == "" { // where qemu-img looks for holes of the files
				compareWithQemu(t, name, m.format)
			}
		})
	}
}

// TestWrittenSizesOfVHDAreThoseOfQemu compares the sizes that geometries have.
func TestWrittenSizesOfVHDAreThoseOfQemu(t *testing.T) {
	rng := oracle.Seed(t)
	dir := t.TempDir()
	for i := range 30 {
		size := 512 * (1 + rng.Int64N(1<<rng.IntN(32)))
		theirs, ours := filepath.Join(dir, fmt.Sprint(i, "a")), filepath.Join(dir, fmt.Sprint(i, "b"))
		oracle.Run(t, "qemu-img", "create", "-q", "-f", "vpc", theirs, fmt.Sprint(size))
		src := emptyDisk(t, size)
		writeImage(t, machineImage{"vpc", "force_size=off"}, src, ours, 1)
		a, b := open(t, theirs, nil), open(t, ours, nil)
		if a.Size() != b.Size() {
			t.Errorf("a disk of %d bytes becomes one of %d, and of %d by qemu-img", size, b.Size(), a.Size())
		}
	}
}

// emptyDisk is a disk of so many zeroes, which take no place.
func emptyDisk(t *testing.T, size int64) qedfile.Disk {
	t.Helper()
	return layer.New(nothing{}, size, nil)
}

type nothing struct{}

func (nothing) Run(_, limit int64) (layer.Run, error) {
	return layer.Run{Kind: qedfile.Zero, Length: limit, Offset: -1}, nil
}

func TestWriteRefusesOptionsThatAFormatDoesNotHave(t *testing.T) {
	for format, values := range map[string]map[string]string{
		"vdi":  {"static": "perhaps"},
		"vpc":  {"subformat": "differencing"},
		"vhdx": {"block_size": "3M"},
		"vmdk": {"adapter_type": "scsi"},
	} {
		for _, values := range []map[string]string{values, {"cluster_size": "65536"}} {
			err := images.Write(context.Background(), format, backend.NewMemory(nil), emptyDisk(t, 1<<20), &images.WriteOptions{Values: values})
			if err == nil || !strings.Contains(err.Error(), slices.Collect(maps.Values(values))[0]) && format != "vhdx" {
				t.Errorf("%s with %v: %v", format, values, err)
			}
		}
	}
	for _, m := range writtenImages {
		i := slices.IndexFunc(images.WrittenFormats(), func(f images.WrittenFormat) bool { return f.Name == m.format })
		for name := range m.values() {
			if !slices.Contains(images.WrittenFormats()[i].Values, name) {
				t.Errorf("%s has %s, which WrittenFormats does not know", m.format, name)
			}
		}
	}
	if err := images.Write(context.Background(), "qcow", backend.NewMemory(nil), emptyDisk(t, 512), nil); err == nil {
		t.Error("a format that is not known was written")
	}
}
