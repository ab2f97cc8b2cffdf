package guest_test

import (
	"cmp"
	"fmt"
	"io/fs"
	"log"

	"github.com/qedfs/qedfs/adapters/diskfs/guest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

func ExampleFind() {
	disk, err := imagefs.Open("../../../testdata/guest/two.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	systems, err := guest.Find(disk)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range systems {
		fmt.Println(s.Name, s.Family)
	}
	// Output:
	// p1 linux
	// p2 linux
}

func ExampleRoot() {
	disk, err := imagefs.Open("../../../testdata/guest/debian.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	systems, err := guest.Find(disk)
	if err != nil {
		log.Fatal(err)
	}
	root := systems[0].Root()
	b, err := fs.ReadFile(root, "boot/efi/EFI/debian/grubx64.efi")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", b)
	// Output:
	// loader
}

func ExampleSystem_Mounts() {
	disk, err := imagefs.Open("../../../testdata/guest/fedora.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	systems, err := guest.Find(disk)
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range systems[0].Mounts() {
		fmt.Printf("%s: %s\n", m.Point, cmp.Or(m.Problem, m.Volume))
	}
	// Output:
	// /home: disk
	// /var: disk
	// /mnt/all: disk
	// /srv: subvol=gone: file does not exist
}
