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

func ExampleRoot_Locate() {
	disk, err := imagefs.Open("../../../testdata/guest/debian.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	systems, err := guest.Find(disk)
	if err != nil {
		log.Fatal(err)
	}
	mounts := make(map[guest.MountID]int)
	for _, name := range []string{"etc/hostname", "etc", "home/user/note"} {
		var at guest.Location
		if at, err = systems[0].Root().Locate(name); err != nil {
			log.Fatal(err)
		}
		mounts[at.Mount]++
		fmt.Println(name, "is", at.Path, "of", at.FS.Info().Label)
	}
	fmt.Println(len(mounts), "mounts")
	// Output:
	// etc/hostname is etc/hostname of root
	// etc is etc of root
	// home/user/note is user/note of home
	// 2 mounts
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

func ExampleInfo() {
	disk, err := imagefs.Open("../../../testdata/guest/debian.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	systems, err := guest.Find(disk)
	if err != nil {
		log.Fatal(err)
	}
	var info *guest.Info
	info, err = systems[0].Inspect()
	fmt.Println(err) // and all the rest is there
	fmt.Println(info.Distro, info.Version, info.Hostname, info.PackageFormat)
	var p guest.Package = info.Packages[0]
	fmt.Println(len(info.Packages), "packages, the first is", p.Name, p.Version)
	var u guest.User = info.Users[0]
	fmt.Println(u.Name, u.UID, u.Home)
	var m guest.Mount = info.Mounts[0]
	fmt.Println(m.Device, m.Point, m.Type)
	// Output:
	// guest: inspect: etc/passwd: line 4: invalid argument
	// debian 12 bookworm deb
	// 2 packages, the first is base-files 12.4+deb12u5
	// root 0 /root
	// /dev/sda2 /boot ext2
}

// The letters by which a Windows knows the volumes.
func ExampleDrive() {
	disk, err := imagefs.Open("../../../testdata/guest/windows.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	systems, err := guest.Find(disk)
	if err != nil {
		log.Fatal(err)
	}
	info, err := systems[0].Inspect()
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range info.Drives {
		var drive guest.Drive = d
		fmt.Println(drive.Letter, drive.Volume)
	}
	// Output:
	// C p1
	// D p2
	// E
}
