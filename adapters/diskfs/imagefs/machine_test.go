package imagefs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/adapters/diskfs/internal/machine"
	"github.com/qedfs/qedfs/adapters/diskfs/mdraid"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// machineScript installs a machine of three disks: each has a partition of a
// mirror for /boot, and one of an array with parity, on which a group lies.
const machineScript = `
mkdir -p /etc/lvm /out /mnt
echo 'devices { obtain_device_list_from_udev=0 use_devicesfile=0 } activation { udev_sync=0 udev_rules=0 monitoring=0 } global { thin_check_executable="" } backup { backup=0 archive=0 }' > /etc/lvm/lvm.conf
for i in 0 1 2; do
	truncate -s 24M $i
	printf 'label: gpt\n,2M,A19D880F-05FC-4D3B-A006-743F0F84911E\n,,A19D880F-05FC-4D3B-A006-743F0F84911E\n' | sfdisk -q $i
	losetup -P /dev/loop$i $i
done
yes | mdadm --create /dev/md0 --run --homehost=guest --name=boot -l1 -n3 -e 1.0 /dev/loop0p1 /dev/loop1p1 /dev/loop2p1
yes | mdadm --create /dev/md1 --run --assume-clean --homehost=guest --name=1 -l5 -n3 -c 16 --bitmap=none /dev/loop0p2 /dev/loop1p2 /dev/loop2p2
lvm vgcreate -q -s 1m system /dev/md1
lvm lvcreate -q -y -Wn -Zn -n root -L 8m system
lvm lvcreate -q -y -T --poolmetadatasize 2m -c 64k -L 8m system/pool
lvm lvcreate -q -V 16m --thinpool pool -n home system
mkfs.ext4 -q -b 1024 -O ^has_journal /dev/md0; mkfs.ext4 -q -O ^has_journal /dev/system/root; mkfs.ext4 -q -O ^has_journal /dev/system/home
for v in md0 system/root system/home; do
	mount /dev/$v /mnt; echo "on $v" > /mnt/name; dd if=/pattern of=/mnt/pattern bs=64k count=8; umount /mnt
done
lvm lvcreate -q -s -kn -n yesterday system/home
mount /dev/system/home /mnt; echo later > /mnt/name; umount /mnt
lvm vgchange -an system
mdadm --wait /dev/md0 || true
mdadm --stop /dev/md0; mdadm --stop /dev/md1
for i in 0 1 2; do losetup -d /dev/loop$i; cp --sparse=always $i /out/$i; done
`

const machineFile = "testdata/machine.tar.zst"

// TestAMachineOfAnotherKernel installs the machine anew.
func TestAMachineOfAnotherKernel(t *testing.T) {
	if !oracle.Long() {
		t.Skip("emulating a machine takes minutes: CI_LONG=1 does")
	}
	out := machine.Run(t, machine.Script{
		Modules: []string{
			"loop", "crc32c_generic", "crc32c", "libcrc32c", "md_mod", "raid1", "raid456", "dm_mod", "dm_thin_pool", "dm_snapshot", "ext4",
		},
		Tools: []string{"mdadm", "lvm", "sfdisk", "mkfs.ext4", "cp", "truncate", "losetup"},
		Files: map[string][]byte{"pattern": machine.Pattern(161, 1<<20)},
		Text:  machineScript,
	})
	files, err := machine.Files(out)
	if err != nil {
		t.Fatal(err)
	}
	checkMachine(t, files)
	machine.Keep(t, out, machineFile)
}

func TestAMachineOfThreeDisksIsPutTogether(t *testing.T) {
	files, err := machine.Kept(machineFile)
	if err != nil {
		t.Fatal(err)
	}
	checkMachine(t, files)
}

func checkMachine(t *testing.T, files map[string][]byte) {
	t.Helper()
	all := [][]byte{files["0"], files["1"], files["2"]}
	names := []string{"one", "two", "three"}
	check := func(d *imagefs.Disk, volumes ...string) {
		t.Helper()
		for _, volume := range volumes {
			want := map[string]string{"md-boot": "on md0\n", "system-root": "on system/root\n", "system-home": "later\n", "system-yesterday": "on system/home\n"}[volume]
			if b, err := fs.ReadFile(d.FS(), volume+"/name"); err != nil || string(b) != want {
				t.Errorf("%s/name is %q, %v", volume, b, err)
			}
			if b, err := fs.ReadFile(d.FS(), volume+"/pattern"); err != nil || !bytes.Equal(b, machine.Pattern(161, 1<<20)[:512<<10]) {
				t.Errorf("%s/pattern: %v", volume, err)
			}
		}
	}
	every := []string{"md-boot", "system-home", "system-root", "system-yesterday"}
	d := openDisks(t, names, all...)
	list, err := fs.ReadDir(d.FS(), ".")
	var got []string
	for _, e := range list {
		got = append(got, e.Name())
	}
	if err != nil || !slices.Equal(got, every) {
		t.Fatalf("the root lists %q, %v", got, err)
	}
	check(d, every...)
	if notes, err := d.Notes(); err != nil || len(notes) > 0 {
		t.Errorf("notes %v, %v", notes, err)
	}

	for i := range all { // the array does without any of its disks
		rest, called := slices.Delete(slices.Clone(all), i, i+1), slices.Delete(slices.Clone(names), i, i+1)
		d := openDisks(t, called, rest...)
		check(d, every...)
		notes, err := d.Notes()
		if err != nil || len(notes) != 2 || !strings.Contains(notes[1].Text, fmt.Sprintf("md1: device %d of 3 is missing", i)) {
			t.Errorf("without disk %d: notes %v, %v", i, notes, err)
		}
	}

	d = openDisks(t, names[:1], all[0]) // a mirror does without two of them
	check(d, "md-boot")
	if list, err := fs.ReadDir(d.FS(), "."); !errors.Is(err, mdraid.ErrMissing) || len(list) != 2 || list[1].Name() != "md1" {
		t.Errorf("with one disk the root lists %v, %v", list, err)
	}
}
