package lvm_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/adapters/diskfs/lvm"
)

func ExampleScan() {
	disk, err := imagefs.Open("../../../testdata/lvm.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	volumes, err := disk.Volumes()
	if err != nil {
		log.Fatal(err)
	}

	var devices []lvm.Device
	for i := range volumes {
		if v := &volumes[i]; v.Filesystem == "LVM2_member" {
			devices = append(devices, lvm.Device{Name: v.Name, Reader: v.Reader(), Size: v.Size})
		}
	}
	groups, err := lvm.Scan(devices)
	if err != nil {
		log.Fatal(err)
	}
	for _, g := range groups {
		for _, v := range g.Volumes {
			r, err := v.Open()
			if errors.Is(err, lvm.ErrUnsupported) {
				continue // thin volumes, snapshots
			} else if err != nil {
				log.Fatal(err)
			}
			fmt.Println(v.MapperName(), r.Size()>>20, "MiB")
		}
	}
	// Output:
	// vg-root 8 MiB
	// vg-my--data 4 MiB
}

// A group whose second disk is elsewhere: what lies there is refused, and the
// rest is read.
func ExampleGroup() {
	disk, err := imagefs.Open("../../../testdata/lvm.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	first, err := disk.Volume("p1")
	if err != nil {
		log.Fatal(err)
	}
	groups, err := lvm.Scan([]lvm.Device{{Name: "p1", Reader: first.Reader(), Size: first.Size}})
	if err != nil {
		log.Fatal(err)
	}
	var g *lvm.Group = groups[0]
	fmt.Println(g.Name, g.ExtentSize>>20, "MiB an extent,", len(g.Missing), "physical volume missing")
	for _, v := range g.Volumes {
		_, err := v.Open()
		fmt.Println(v.Name, v.Size>>20, "MiB, missing:", errors.Is(err, lvm.ErrMissing))
	}
	// Output:
	// vg 1 MiB an extent, 1 physical volume missing
	// root 8 MiB, missing: true
	// my-data 4 MiB, missing: true
	// snapshots 1 MiB, missing: false
}
