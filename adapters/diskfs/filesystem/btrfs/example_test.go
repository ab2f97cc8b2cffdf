package btrfs_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/btrfs"
	"github.com/qedfs/qedfs/qedfile"
)

func ExampleOpen() {
	f, err := os.Open("../../../../testdata/filesystems/btrfs-subvolumes.img.gz")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		fmt.Println(err)
		return
	}
	image, err := io.ReadAll(zr)
	if err != nil {
		fmt.Println(err)
		return
	}
	fsys, err := btrfs.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		fmt.Println(name)
		return err
	})
	// Output:
	// .
	// after the snapshot
	// file
	// nested
	// nested/deeper
	// nested/deeper/inside
	// nested/inside
	// snapshot
	// snapshot/file
	// snapshot/nested
}

func ExampleOpenDevices() {
	var devices []btrfs.Device
	for _, name := range []string{"raid6-1.qed", "raid6-2.qed", "raid6-4.qed"} { // the third is lost
		disk, err := qedfile.Open("../../../../testdata/btrfs/"+name, nil)
		if err != nil {
			log.Fatal(err)
		}
		defer disk.Close()
		devices = append(devices, btrfs.Device{Name: name, Reader: disk, Size: disk.Size()})
	}
	fsys, err := btrfs.OpenDevices(devices, nil)
	if err != nil {
		log.Fatal(err)
	}
	b, err := fsys.ReadFile("etc/hostname")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s%t\n", b, strings.HasPrefix(fsys.Info().Missing, "device 3 (UUID "))
	// Output:
	// example
	// true
}

func ExampleScan() {
	var devices []btrfs.Device
	for _, name := range []string{"seed-1.qed", "raid1-2.qed", "raid1-1.qed"} {
		disk, err := qedfile.Open("../../../../testdata/btrfs/"+name, nil)
		if err != nil {
			log.Fatal(err)
		}
		defer disk.Close()
		devices = append(devices, btrfs.Device{Name: name, Reader: disk, Size: disk.Size()})
	}
	found, err := btrfs.Scan(devices)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range found {
		fmt.Printf("%s: %d of %d devices\n", f.Label, len(f.Devices), f.Total)
	}
	// The checksums of data can be left aside, to save what there is.
	fsys, err := found[1].Open(&btrfs.Options{IgnoreDataChecksums: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(fsys.Info().Label)
	// Output:
	// seed: 1 of 1 devices
	// mirrored: 2 of 2 devices
	// mirrored
}
