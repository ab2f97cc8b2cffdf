package guest

import (
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/adapters/diskfs/partition"
	"github.com/qedfs/qedfs/qedfile"
)

func TestDevicesOfFurtherDisksAndArrays(t *testing.T) {
	var disks []imagefs.NamedDisk
	for _, name := range []string{"a", "b"} {
		m, err := qedfile.Open("../../../testdata/gpt.qed", nil)
		if err != nil {
			t.Fatal(err)
		}
		disks = append(disks, imagefs.NamedDisk{Name: name, Disk: m})
	}
	d, err := imagefs.OpenDisks(disks, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	volumes, err := d.Volumes()
	if err != nil {
		t.Fatal(err)
	}
	volumes = append(volumes,
		imagefs.Volume{Name: "md0", Kind: imagefs.ArrayVolume, Offset: -1},
		imagefs.Volume{Name: "md-root", Kind: imagefs.ArrayVolume, Offset: -1},
		imagefs.Volume{Name: "md1p2", Kind: imagefs.PartitionVolume, Offset: -1, Partition: &partition.Partition{Number: 2}},
	)
	for name, want := range map[string]string{
		"/dev/sda2": "p2", "/dev/sdb2": "b.p2", "/dev/vdb1": "b.p1", "/dev/nvme1n1p2": "b.p2", "/dev/mmcblk1p1": "b.p1",
		"/dev/sdc1": "", "/dev/sdaa1": "", "/dev/nvme2n1p1": "",
		"/dev/md0": "md0", "/dev/md/0": "md0", "/dev/md/root": "md-root", "/dev/md1p2": "md1p2", "/dev/md9": "", "/dev/mdroot": "",
	} {
		got := ""
		if v, ok := Device(volumes, name); ok {
			got = v.Name
		}
		if got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}
