package lvm_test

import (
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/internal/machine"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// script has LVM and device-mapper make groups of all kinds of volumes. Each is
// a directory of /out with the physical volumes, and what device-mapper read
// from each logical volume in the end.
const script = `
set +e
mkdir -p /etc/lvm
cat > /etc/lvm/lvm.conf <<END
devices { obtain_device_list_from_udev=0 use_devicesfile=0 scan_lvs=0 }
activation { udev_sync=0 udev_rules=0 monitoring=0 }
global { thin_check_executable="" cache_check_executable="" }
backup { backup=0 archive=0 }
END
group() { # NAME COUNT KIB: a group on as many new devices
	n=$1; D=
	for i in $(seq 0 $(($2-1))); do truncate -s ${3}k $n.$i; l=$(losetup -f); losetup $l $n.$i; D="$D $l"; done
	lvm vgcreate -q -s 64k --dataalignment 64k $n $D || echo FAILED $n
}
fill() { dd if=/pattern of=/dev/$n/$1 bs=4k skip=${2:-0} seek=${3:-0} count=${4:-1000} conv=fsync 2>/dev/null; }
keep() {
	sync; mkdir -p /out/$n/lv
	lvm lvs -a -o lv_name,lv_attr,lv_size,segtype,data_percent,sync_percent $n > /out/$n/lvs
	lvm vgchange -an $n
	for m in $n.*; do cp --sparse=always $m /out/$n/${m##*.}; done
	echo 3 > /proc/sys/vm/drop_caches
	lvm vgchange -ay -K $n
	for v in $(lvm lvs --noheadings -o lv_name $n); do [ ! -e /dev/$n/$v ] || cp --sparse=always /dev/$n/$v /out/$n/lv/$v; done
	dmsetup table > /out/$n/table
	drop
}
drop() { lvm vgchange -an $n; for l in $D; do losetup -d $l; done; rm -f $n.*; }
lv() { lvm lvcreate -q -y -Wn -Zn "$@" $n || echo FAILED lvcreate "$@"; }
insync() { for i in $(seq 60); do lvm lvs --noheadings -o sync_percent $n | grep -qv "100.00\|^ *$" || break; sleep 0.5; done; }

group snap 2 8192
lv -n origin -L 1m; fill origin
lvm lvcreate -q -s -n small -c 4k -L 512k snap/origin
lvm lvcreate -q -s -n large -c 64k -L 1m snap/origin
lvm lvcreate -q -s -n full -c 4k -L 64k snap/origin
fill origin 300 10 50; fill small 400 30 40; fill large 500 100 3; fill small 600 200 1; fill origin 700 200 5
keep

group deep 2 16384
lv -n origin -L 3m; fill origin; lvm lvcreate -q -s -n later -c 4k -L 2m deep/origin; fill origin 200 50 400
keep

group thin 2 16384
lv -n outside -L 1m; fill outside; lvm lvchange -an thin/outside; lvm lvchange -pr thin/outside
lvm lvcreate -q -y -T --poolmetadatasize 2m -c 64k -L 8m thin/pool
lvm lvcreate -q -V 4m --thinpool pool -n one thin; fill one 0 0 300; fill one 300 900 100
lvm lvcreate -q -s -n two -kn thin/one; fill one 500 10 60; fill two 600 80 60; fill two 700 500 1
lvm lvcreate -q -s -n three -kn thin/two; blkdiscard -o 131072 -l 262144 /dev/thin/three; fill three 800 200 3
lvm lvcreate -q -s -n four -kn --thinpool pool thin/outside; fill four 900 40 20; lvm lvextend -q -L 2m thin/four; fill four 950 300 20
lvm lvcreate -q -V 1m --thinpool pool -n five thin
keep

group raid 5 16384
for x in raid1 raid4 raid5_ls raid5_la raid5_rs raid5_ra raid5_n raid6_zr raid6_nr raid6_nc raid6_n_6 raid6_ls_6 raid6_la_6 raid6_rs_6 raid6_ra_6 raid10 raid0 raid0_meta mirror; do
	case $x in
	raid1) a="-m 2";; mirror) a="-m 1 --mirrorlog core";; raid10) a="-i 2 -m 1 -I 4k";; raid6*) a="-i 3 -I 4k";; *) a="-i 3 -I 4k";;
	esac
	lvm lvcreate -q -y -Wn -Zn --type $x $a -L 768k -n $x raid || echo FAILED $x
done
insync; for x in /dev/raid/*; do fill ${x##*/}; done
keep

group stale 4 8192
lvm lvcreate -q -y -Wn -Zn --type raid5_ls -i 3 -I 4k -L 768k -n five stale; lvm lvcreate -q -y -Wn -Zn --type raid1 -m 1 -L 512k -n one stale; lvm lvcreate -q -y -Wn -Zn --type raid10 -i 2 -m 1 -I 4k -L 512k -n ten stale
insync; fill five; fill one; fill ten; sync
lvm vgchange -an stale; l=$(echo $D | cut -d" " -f2); losetup -d $l
lvm vgchange -ay --activationmode degraded stale; fill five 500; fill one 600; fill ten 700; sync; lvm lvs -a stale; dmsetup status
lvm vgchange -an stale; losetup $l stale.1
mkdir -p /out/stale/lv; for m in stale.*; do cp --sparse=always $m /out/stale/${m##*.}; done
losetup -d $l; lvm vgchange -ay --activationmode degraded stale
for v in five one ten; do cp --sparse=always /dev/stale/$v /out/stale/lv/$v; done
D=$(losetup -a | cut -d: -f1); drop

for f in 1 2; do
	group cache$f 2 16384
	lv -n data -L 4m; fill data
	lvm lvcreate -q -y --type cache-pool -L 1m --poolmetadatasize 2m -c 32k -n fast cache$f
	lvm lvconvert -q -y --type cache --cachemode writeback --cachemetadataformat $f --cachepool fast cache$f/data
	for i in $(seq 6); do fill data 300 100 20; fill data 400 500 3; dd if=/dev/cache$f/data of=/dev/null bs=64k 2>/dev/null; done
	fill data 500 20 60; fill data 700 600 20; dmsetup status
	keep
done
group cachevol 2 16384
lv -n data -L 4m; fill data; lv -n fast -L 4m
lvm lvconvert -q -y --type cache --cachemode writeback --cachevol fast cachevol/data
for i in $(seq 6); do fill data 300 100 20; fill data 400 500 3; dd if=/dev/cachevol/data of=/dev/null bs=64k 2>/dev/null; done
fill data 500 20 60; fill data 700 600 20; dmsetup status
keep
for b in 512 4096; do
	group writecache$b 2 16384
	lv -n data -L 4m; fill data; lv -n fast -L 4m
	lvm vgchange -an writecache$b
	lvm lvconvert -q -y --type writecache --cachevol fast --cachesettings "block_size=$b" writecache$b/data
	lvm vgchange -ay writecache$b
	fill data 300 100 20; fill data 400 500 3; dmsetup status
	keep
done
dmesg | tail -30
`

// TestGroupsOfAnotherKernel asks LVM and device-mapper anew; the samples in
// testdata are what they left.
func TestGroupsOfAnotherKernel(t *testing.T) {
	if !oracle.Long() {
		t.Skip("emulating a machine takes minutes: CI_LONG=1 does")
	}
	out := machine.Run(t, machine.Script{
		Modules: []string{
			"loop", "crc32c_generic", "libcrc32c", "dm_mod", "raid0", "raid1", "raid10", "raid456", "dm_raid", "dm_mirror",
			"dm_snapshot", "dm_thin_pool", "dm_cache", "dm_cache_smq", "dm_writecache", "dm_zero",
		},
		Tools: []string{"lvm", "dmsetup", "cp", "truncate", "blkdiscard"},
		Files: map[string][]byte{"pattern": machine.Pattern(162, 4<<20)},
		Text:  script,
	})
	files, err := machine.Files(out)
	if err != nil {
		t.Fatal(err)
	}
	all := samples(files)
	checkSamples(t, all)
	machine.Keep(t, out, "testdata/groups.tar.zst")
}
