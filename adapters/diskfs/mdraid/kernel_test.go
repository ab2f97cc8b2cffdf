package mdraid_test

import (
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/internal/machine"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// script has the kernel's md driver write arrays of every layout. Each is a
// directory of /out with the members, which have the order in which mdadm was
// told of them, and what the kernel read from the array in the end.
const script = `
set +e
members() { # SIZE...: makes loop devices of as many KiB
	local i=0 k l; D=
	for k; do truncate -s ${k}k $n.$i; l=$(losetup -f); losetup $l $n.$i; D="$D $l"; i=$((i+1)); done
}
keep() { # keeps what was made of the members, and what the array has in the end
	mkdir -p /out/$n
	cp --sparse=always /dev/md0 /out/$n/whole
	finish
	for m in $n.*; do mv $m /out/$n/${m##*.}; done
}
finish() {
	mdadm --stop /dev/md0
	for l in $D; do losetup -d $l; done
	sleep 0.1
}
array() { # NAME SIZES ARGS...: writes an array, does what $then says, and keeps it
	n=$1; members $2; shift 2
	set -- $(echo "$*" | sed "s|LAST|$(echo $D | sed 's/.* //')|;s|D|$D|")
	yes | mdadm --create /dev/md0 --run --assume-clean --homehost=none --name=$n $([ -z "$count" ] && echo -n$(echo $D | wc -w)) "$@" ||
		{ echo FAILED $n; dmesg | tail -3; finish; rm -f $n.*; return; }
	dd if=/pattern of=/dev/md0 bs=64k conv=fsync 2>/dev/null
	eval "$then"
	sync; echo 3 > /proc/sys/vm/drop_caches
	keep
}
M="768 768 768 768"
C="--chunk=4 --data-offset=64K --bitmap=none"
for v in 0.90 1.0 1.1 1.2; do
	o=--data-offset=64K; case $v in 0.90|1.0) o=;; esac
	array linear-$v "768 1024 512" -e $v -l linear $o D
	array raid1-$v "512 512" -e $v -l 1 --bitmap=none $o D
	array raid5-$v "768 768 768" -e $v -l 5 --chunk=4 --bitmap=none $o D
	array raid10-$v "768 768 768" -e $v -l 10 --chunk=4 --bitmap=none $o D
	[ $v = 0.90 ] || array raid0-$v "768 768 768" -e $v -l 0 --chunk=8 $o D
done
for l in original alternate; do array raid0-$l "512 768 1024 768" -l 0 --chunk=8 --layout=$l --data-offset=64K D; done
array raid4 "$M" -l 4 $C D
for x in left-asymmetric right-asymmetric left-symmetric right-symmetric parity-first parity-last; do
	array raid5-$x "$M" -l 5 --layout=$x $C D
done
for x in left-asymmetric right-asymmetric left-symmetric right-symmetric parity-first parity-last \
	ddf-zero-restart ddf-N-restart ddf-N-continue left-asymmetric-6 right-asymmetric-6 left-symmetric-6 right-symmetric-6 parity-first-6; do
	array raid6-$x "$M 768" -l 6 --layout=$x $C D
done
for x in n2 n3 f2 f3 o2 o3; do
	array raid10-$x-4 "$M" -l 10 --layout=$x $C D
	array raid10-$x-5 "$M 768" -l 10 --layout=$x $C D
done
array bitmap "2048 2048 2048" -l 5 --chunk=64 --bitmap=internal D
count=no
array spare "$M" -l 5 -n3 -x1 $C D
fail='mdadm /dev/md0 -f $(echo $D | cut -d" " -f2); mdadm /dev/md0 -r $(echo $D | cut -d" " -f2); dd if=/pattern of=/dev/md0 bs=4k skip=3 count=100 conv=fsync'
for x in 1 5 6 10; do then=$fail array stale-raid$x "$M" -l $x -n4 $([ $x = 1 ] || echo --chunk=4) --data-offset=64K --bitmap=none D; done
then='for s in 200 320; do echo $s 8 > /sys/block/md0/md/dev-$(basename $(echo $D | cut -d" " -f2))/bad_blocks; done
dd if=/dev/zero bs=512 seek=328 count=8 conv=notrunc of=$n.1; dd if=/dev/zero bs=512 seek=448 count=8 conv=notrunc of=$n.1'
array bad-blocks "$M" -l 5 -n4 --chunk=16 --data-offset=64K --bitmap=none D
then='echo 512 > /sys/block/md0/md/sync_max; mdadm /dev/md0 -a $last; sleep 4; cat /proc/mdstat'
members=; n=recovering; members $M; last=$(echo $D | sed 's/.* //')
yes | mdadm --create /dev/md0 --run --name=$n -l5 -n4 $C $(echo $D | cut -d" " -f1-3) missing
dd if=/pattern of=/dev/md0 bs=64k conv=fsync; eval "$then"; sync; echo 3 > /proc/sys/vm/drop_caches; keep
then=
n=reshape; members $M
yes | mdadm --create /dev/md0 --run --assume-clean --name=$n -l5 -n3 --chunk=4 --data-offset=256K --bitmap=none $(echo $D | cut -d" " -f1-3)
dd if=/pattern of=/dev/md0 bs=64k conv=fsync; mdadm /dev/md0 -a $(echo $D | sed 's/.* //')
echo 256 > /sys/block/md0/md/sync_max
mdadm --grow /dev/md0 -n4 --backup-file=/work/backup & sleep 4; cat /proc/mdstat; mdadm --detail /dev/md0; keep
n=journal; members $M 4096
yes | mdadm --create /dev/md0 --run --assume-clean --name=$n -l5 -n4 $C --write-journal $(echo $D | sed 's/.* //') $(echo $D | cut -d" " -f1-4)
dd if=/pattern of=/dev/md0 bs=64k conv=fsync; keep
n=ddf; members 40960 40960 40960
yes | mdadm --create /dev/md127 -e ddf -l container -n3 $D; mkdir -p /out/ddf; mdadm --stop /dev/md127
for i in 0 1 2; do cp --sparse=always ddf.$i /out/ddf/$i; done
cat /proc/mdstat; dmesg | tail -50
`

// TestArraysOfAnotherKernel asks the driver anew; the samples in testdata are
// what it left.
func TestArraysOfAnotherKernel(t *testing.T) {
	if !oracle.Long() {
		t.Skip("emulating a machine takes minutes: CI_LONG=1 does")
	}
	out := machine.Run(t, machine.Script{
		Modules: []string{"loop", "crc32c_generic", "md_mod", "linear", "raid0", "raid1", "raid10", "raid456"},
		Tools:   []string{"mdadm", "cp", "truncate"},
		Files:   map[string][]byte{"pattern": machine.Pattern(163, 4<<20)},
		Text:    script,
	})
	files, err := machine.Files(out)
	if err != nil {
		t.Fatal(err)
	}
	all := samples(files)
	checkSamples(t, all)
	checkSpecial(t, all)
	machine.Keep(t, out, "testdata/arrays.tar.zst")
}
