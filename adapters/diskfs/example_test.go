package qeddiskfs_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"

	"github.com/diskfs/go-diskfs"

	qeddiskfs "github.com/qedfs/qedfs/adapters/diskfs"
	"github.com/qedfs/qedfs/qedfile"
)

func ExampleOpen() {
	disk, err := qeddiskfs.Open("../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	b, err := fs.ReadFile(disk.FS(), "p2/etc/os-release")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(b))
	// Output:
	// NAME="Example Linux"
	// ID=example
	// VERSION_ID="1"
}

func ExampleDisk_Volumes() {
	disk, err := qeddiskfs.Open("../../testdata/mbr-logical.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	volumes, err := disk.Volumes()
	if err != nil {
		log.Fatal(err)
	}
	for _, v := range volumes {
		fmt.Printf("%s: %s %s, %q labelled %q\n", v.Name, v.Kind, v.Type, v.Filesystem, v.Label)
	}
	// Output:
	// p1: partition 0x0c, "vfat" labelled "DOSDISK"
	// p2: partition 0x05, "" labelled ""
	// p5: partition 0x83, "ext2" labelled "logical5"
	// p6: partition 0x83, "ext2" labelled "logical6"
}

func ExampleVolume_Reader() {
	disk, err := qeddiskfs.Open("../../testdata/lvm.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	// A logical volume, put together from two physical ones.
	volume, err := disk.Volume("vg-root")
	if err != nil {
		log.Fatal(err)
	}
	n, err := io.Copy(io.Discard, volume.Reader())
	fmt.Println(n, "bytes", err)
	// Output: 8388608 bytes <nil>
}

func ExampleTree_Walk() {
	disk, err := qeddiskfs.Open("../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	for e, err := range disk.FS().Walk(context.Background(), "p2/etc", nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Path)
	}
	// Output:
	// p2/etc
	// p2/etc/app
	// p2/etc/app/config.yaml
	// p2/etc/hello
	// p2/etc/hostname
	// p2/etc/os-release
}

func ExampleNewStorage() {
	img, err := qedfile.Open("../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	// From here on everything is go-diskfs's own.
	disk, err := diskfs.OpenBackend(qeddiskfs.NewStorage(img, nil))
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	for _, p := range disk.Table.GetPartitions() {
		fmt.Println(p.GetIndex(), p.Label(), p.GetStart(), p.GetSize())
	}
	// Output:
	// 1 EFI system 1048576 4194304
	// 2 root 5242880 16777216
}

func ExampleGetFilesystem() {
	img, err := qedfile.Open("../../testdata/mbr-logical.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	disk, err := diskfs.OpenBackend(qeddiskfs.NewStorage(img, nil))
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	// In place of disk.GetFilesystem: a logical partition, and an ext2.
	fsys, err := qeddiskfs.GetFilesystem(disk, 5)
	if err != nil {
		log.Fatal(err)
	}
	f, err := fsys.OpenFile("app/config.yaml", os.O_RDONLY)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(os.Stdout, f); err != nil {
		log.Fatal(err)
	}
	// Output:
	// server:
	//   listen: 127.0.0.1
	//   port: 8080
	// name: example
}
