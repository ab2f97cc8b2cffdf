package qeddiskfs_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs"
	"github.com/diskfs/go-diskfs/disk"
	"github.com/diskfs/go-diskfs/filesystem"
	"github.com/diskfs/go-diskfs/partition"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/diskfs/go-diskfs/partition/mbr"

	qeddiskfs "github.com/qedfs/qedfs/adapters/diskfs"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// newImage makes an empty image and returns it as go-diskfs's disk.
func newImage(t *testing.T, size int64) (name string, d *disk.Disk) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "new.qed")
	img, err := qedfile.Create(name, size, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err = diskfs.OpenBackend(qeddiskfs.NewStorage(img, &qeddiskfs.StorageOptions{Writable: true}))
	if err != nil {
		t.Fatal(err)
	}
	return name, d
}

// export closes the disk and returns the image as a raw file, by qemu-img.
func export(t *testing.T, name string, d *disk.Disk) string {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "qemu-img", "check", name)
	raw := filepath.Join(t.TempDir(), "raw")
	oracle.Run(t, "qemu-img", "convert", "-O", "raw", name, raw)
	return raw
}

// cut copies a part of a file into a file of its own.
func cut(t *testing.T, raw string, off, size int64) string {
	t.Helper()
	f, err := os.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, err := os.Create(filepath.Join(t.TempDir(), "part"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, io.NewSectionReader(f, off, size)); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}

func writeFile(t *testing.T, fsys filesystem.FileSystem, name string, b []byte) {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_CREATE|os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestGoDiskfsPartitionsAnImageWithGPTAndFillsAFAT32(t *testing.T) {
	const mib = 1 << 20
	name, d := newImage(t, 128*mib)
	err := d.Partition(&gpt.Table{ProtectiveMBR: true, Partitions: []*gpt.Partition{
		{Index: 1, Start: 2048, Size: 50 * mib, Type: gpt.EFISystemPartition, Name: "EFI"},
		{Index: 2, Start: 2048 + 100*2048, Size: 20 * mib, Type: gpt.LinuxFilesystem, Name: "root"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	esp, err := d.CreateFilesystem(disk.FilesystemSpec{Partition: 1, FSType: filesystem.TypeFat32, VolumeLabel: "ESP"})
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("contents of a file "), 10000)
	writeFile(t, esp, "a file with a long name.bin", want)

	raw := export(t, name, d)
	if said := oracle.Run(t, "sgdisk", "-v", raw); !strings.Contains(said, "No problems found") {
		t.Errorf("sgdisk: %s", said)
	}
	part := cut(t, raw, mib, 50*mib)
	oracle.Run(t, "fsck.fat", "-n", part)
	out := filepath.Join(t.TempDir(), "out")
	oracle.Run(t, "mcopy", "-i", part, "::a file with a long name.bin", out)
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, want) {
		t.Errorf("mcopy read %d bytes, want %d, or they differ: %v", len(got), len(want), err)
	}
}

func TestGoDiskfsPartitionsAnImageWithMBR(t *testing.T) {
	name, d := newImage(t, 64<<20)
	err := d.Partition(&mbr.Table{LogicalSectorSize: 512, PhysicalSectorSize: 512, Partitions: []*mbr.Partition{
		{Index: 1, Bootable: true, Type: mbr.Fat32LBA, Start: 2048, Size: 100000},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.CreateFilesystem(disk.FilesystemSpec{Partition: 1, FSType: filesystem.TypeFat32}); err != nil {
		t.Fatal(err)
	}
	raw := export(t, name, d)
	oracle.Run(t, "sfdisk", "--verify", raw)
	oracle.Run(t, "fsck.fat", "-n", cut(t, raw, 1<<20, 100000*512))
}

func TestGoDiskfsFillsAnExt4ThatTheKernelMounts(t *testing.T) {
	name, d := newImage(t, 100<<20)
	fsys, err := d.CreateFilesystem(disk.FilesystemSpec{FSType: filesystem.TypeExt4, VolumeLabel: "made"})
	if err != nil {
		t.Fatal(err)
	}
	if err := fsys.Mkdir("etc"); err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("0123456789abcdef"), 50000)
	writeFile(t, fsys, "etc/data", want)
	raw := export(t, name, d)
	oracle.Run(t, "e2fsck", "-fn", raw)

	oracle.Root(t)
	dir := t.TempDir()
	oracle.Run(t, "mount", "-t", "ext4", "-o", "ro,loop", raw, dir)
	t.Cleanup(func() { oracle.Run(t, "umount", dir) })
	if got, err := os.ReadFile(filepath.Join(dir, "etc/data")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the kernel reads %d bytes, want %d, or they differ: %v", len(got), len(want), err)
	}
}

func TestNothingIsWrittenToAnImageThatWasOpenedForReading(t *testing.T) {
	d := openCommitted(t, "gpt.qed")
	var table partition.Table = d.GoDisk().Table
	if err := d.GoDisk().Partition(table); err == nil {
		t.Error("a partition table was written")
	}
}
