package imagefs_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

func ExampleOpen() {
	disk, err := imagefs.Open("../../../testdata/gpt.qed", nil)
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
	disk, err := imagefs.Open("../../../testdata/mbr-logical.qed", nil)
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
	disk, err := imagefs.Open("../../../testdata/lvm.qed", nil)
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
	disk, err := imagefs.Open("../../../testdata/gpt.qed", nil)
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
