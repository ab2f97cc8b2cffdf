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
