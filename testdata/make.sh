#!/usr/bin/env bash
# Makes the images of this directory with the real tools. Needs root (loop
# mounts) and the packages that .ci/run installs. Run it from anywhere:
#
#	testdata/make.sh            the images of this directory
#	testdata/make.sh all        those, and testdata/filesystems too
#
# Contents and sizes are fixed; identifiers and times that the tools choose
# differ from run to run, and so the bytes do.
set -euo pipefail
export LVM_SUPPRESS_FD_WARNINGS=1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'umount "$work/mnt" 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir "$work/mnt" "$work/tree"

# A tree such as a small system has.
mkdir -p "$work/tree"/{etc/app,home/user,usr/bin,var/log,boot}
printf 'NAME="Example Linux"\nID=example\nVERSION_ID="1"\n' >"$work/tree/etc/os-release"
printf 'server:\n  listen: 127.0.0.1\n  port: 8080\nname: example\n' >"$work/tree/etc/app/config.yaml"
printf 'example\n' >"$work/tree/etc/hostname"
printf '#!/bin/sh\necho hello\n' >"$work/tree/usr/bin/hello"
chmod 755 "$work/tree/usr/bin/hello"
ln -s ../usr/bin/hello "$work/tree/etc/hello"
ln -s /etc/hostname "$work/tree/home/user/hostname"
for i in $(seq 1 200); do echo "line $i of the log"; done >"$work/tree/var/log/messages"
truncate -s 300K "$work/tree/var/log/sparse"
printf 'end' | dd of="$work/tree/var/log/sparse" bs=1 seek=307197 conv=notrunc status=none
find "$work/tree" -exec touch -h -d '2024-02-03 04:05:06.789 UTC' {} +

to_qed() { # raw, name, options
	qemu-img convert -f raw -O qed -o "${3:-cluster_size=4096,table_size=2}" "$1" "$here/$2"
}

# A disk with GPT: an EFI system partition (FAT16) and a root filesystem (ext4).
gpt() {
	truncate -s 24M "$work/gpt"
	eatmydata sgdisk -n 1:2048:+4M -t 1:ef00 -c 1:"EFI system" -n 2:0:+16M -t 2:8300 -c 2:root "$work/gpt" >/dev/null
	truncate -s 4M "$work/esp"
	mkfs.fat -F 16 -s 1 -n ESP -i 1A2B3C4D "$work/esp" >/dev/null
	mmd -i "$work/esp" ::EFI ::EFI/BOOT
	printf 'not really a boot loader\n' | mcopy -i "$work/esp" - ::EFI/BOOT/BOOTX64.EFI
	printf 'a long file name\n' | mcopy -i "$work/esp" - '::EFI/A file with a long name.txt'
	truncate -s 16M "$work/root"
	mke2fs -q -t ext4 -b 1024 -L root -U 01234567-89ab-cdef-0123-456789abcdef -J size=1 -d "$work/tree" "$work/root"
	dd if="$work/esp" of="$work/gpt" bs=512 seek=2048 conv=notrunc,sparse status=none
	dd if="$work/root" of="$work/gpt" bs=512 seek=10240 conv=notrunc,sparse status=none
	to_qed "$work/gpt" gpt.qed
}

# A disk with MBR: a primary partition and an extended one that holds two.
mbr() {
	truncate -s 16M "$work/mbr"
	eatmydata sfdisk -q "$work/mbr" <<-'EOF'
		label: dos
		label-id: 0xcafe1234
		start=2048, size=6144, type=c, bootable
		start=8192, size=24576, type=5
		start=10240, size=8192, type=83
		start=20480, size=8192, type=83
	EOF
	truncate -s 3M "$work/p1"
	mkfs.fat -F 12 -n DOSDISK -i 0BADCAFE "$work/p1" >/dev/null
	printf 'from DOS\r\n' | mcopy -i "$work/p1" - ::README.TXT
	for n in 5 6; do
		truncate -s 4M "$work/p$n"
		mke2fs -q -t ext2 -b 1024 -L "logical$n" -d "$work/tree/etc" "$work/p$n"
	done
	dd if="$work/p1" of="$work/mbr" bs=512 seek=2048 conv=notrunc,sparse status=none
	dd if="$work/p5" of="$work/mbr" bs=512 seek=10240 conv=notrunc,sparse status=none
	dd if="$work/p6" of="$work/mbr" bs=512 seek=20480 conv=notrunc,sparse status=none
	to_qed "$work/mbr" mbr-logical.qed
}

# Filesystems that fill the disk, with no partition table.
bare() {
	truncate -s 8M "$work/bare"
	mke2fs -q -t ext4 -b 1024 -L bare -J size=1 -d "$work/tree" "$work/bare"
	to_qed "$work/bare" bare-ext4.qed
	xorriso -as mkisofs -quiet -R -J -V EXAMPLE -o "$work/iso" "$work/tree" 2>/dev/null
	to_qed "$work/iso" iso9660.qed
	mksquashfs "$work/tree" "$work/squashfs" -quiet -no-progress -all-root >/dev/null
	to_qed "$work/squashfs" squashfs.qed
}

# A disk whose two partitions are the physical volumes of one group: "root" lies
# on both, "my-data" is striped over them. There is no device-mapper to write
# through, so LVM's tools write the metadata, and each filesystem is laid out
# over the extents as its segments say.
# btrfs on several devices: two that mirror each other, four with parity of both
# kinds, and one that grew out of a seed.
btrfs_devices() {
	mkdir -p "$here/btrfs"
	btrfs_set raid1 2 -L mirrored -m raid1 -d raid1
	btrfs_set raid6 4 -L parity -m raid1c3 -d raid6 --csum xxhash
	btrfs_set seed 1 -L seed -m single -d single --csum sha256
	truncate -s 128M "$work/sprout1"
	btrfstune -S 1 "$work/seed1"
	local seed sprout
	seed=$(losetup -f --show "$work/seed1") sprout=$(losetup -f --show "$work/sprout1")
	mount -t btrfs "$seed" "$work/mnt"
	btrfs -q device add -K "$sprout" "$work/mnt"
	mount -o remount,rw "$work/mnt"
	echo 'written after the seed' >"$work/mnt/sprouted"
	rm "$work/mnt/etc/hello"
	umount "$work/mnt"
	btrfs device scan --forget "$seed"
	btrfs device scan --forget "$sprout"
	losetup -d "$seed" "$sprout"
	btrfs_keep seed 1
	btrfs_keep sprout 1
}

# btrfs_set NAME DEVICES OPTION... makes a filesystem with the tree.
btrfs_set() {
	local name=$1 loops=() devices=() i
	for i in $(seq 1 "$2"); do
		truncate -s 128M "$work/$name$i"
		devices+=("$work/$name$i")
	done
	mkfs.btrfs -q -f -n 4096 "${@:3}" "${devices[@]}" >/dev/null
	for i in "${devices[@]}"; do loops+=("$(losetup -f --show "$i")"); done
	for i in "${loops[@]}"; do btrfs -q device scan "$i"; done
	mount -t btrfs "${loops[0]}" "$work/mnt"
	cp -a "$work/tree/." "$work/mnt"
	# Sectors that can be told from each other.
	for i in $(seq 0 63); do printf '%-4095s\n' "sector $i"; done >"$work/mnt/sectors"
	chattr +C "$work/mnt/var/log" # what is made there now has no checksums
	cp "$work/tree/var/log/messages" "$work/mnt/var/log/unsummed"
	umount "$work/mnt"
	for i in "${loops[@]}"; do btrfs device scan --forget "$i"; done
	losetup -d "${loops[@]}"
	[ "$name" = seed ] || btrfs_keep "$name" "$2"
}

btrfs_keep() {
	for i in $(seq 1 "$2"); do to_qed "$work/$1$i" "btrfs/$1-$i.qed"; done
}

lvm() {
	truncate -s 24M "$work/lvm"
	eatmydata sgdisk -n 1:2048:+10M -t 1:8e00 -n 2:0:+10M -t 2:8e00 "$work/lvm" >/dev/null
	local ids=(qedfs0-0000-0000-0000-0000-0000-000000 qedfs1-1111-1111-1111-1111-1111-111111) loops=()
	for i in 0 1; do
		truncate -s 10M "$work/pv$i"
		loops+=("$(losetup -f --show "$work/pv$i")")
		pvcreate -qq --uuid "${ids[$i]}" --norestorefile --dataalignment 1m "${loops[$i]}"
	done
	cat >"$work/vg.txt" <<-EOF
		contents = "Text Format Volume Group"
		version = 1
		vg {
			id = "qedfsv-0000-0000-0000-0000-0000-000000"
			seqno = 3 format = "lvm2" status = ["RESIZEABLE", "READ", "WRITE"] flags = []
			extent_size = 2048 max_lv = 0 max_pv = 0 metadata_copies = 0
			physical_volumes {
				pv0 { id = "${ids[0]}" status = ["ALLOCATABLE"] dev_size = 20480 pe_start = 2048 pe_count = 9 }
				pv1 { id = "${ids[1]}" status = ["ALLOCATABLE"] dev_size = 20480 pe_start = 2048 pe_count = 9 }
			}
			logical_volumes {
				root {
					id = "qedfsr-0000-0000-0000-0000-0000-000000"
					status = ["READ", "WRITE", "VISIBLE"]
					segment_count = 2
					segment1 { start_extent = 0 extent_count = 4 type = "striped" stripe_count = 1 stripes = ["pv1", 2] }
					segment2 { start_extent = 4 extent_count = 4 type = "striped" stripe_count = 1 stripes = ["pv0", 0] }
				}
				my-data {
					id = "qedfsd-0000-0000-0000-0000-0000-000000"
					status = ["READ", "WRITE", "VISIBLE"]
					segment_count = 1
					segment1 { start_extent = 0 extent_count = 4 type = "striped" stripe_count = 2 stripe_size = 128 stripes = ["pv0", 5, "pv1", 6] }
				}
				snapshots {
					id = "qedfss-0000-0000-0000-0000-0000-000000"
					status = ["READ", "WRITE", "VISIBLE"]
					segment_count = 1
					segment1 { start_extent = 0 extent_count = 1 type = "thin-pool" metadata = "snapshots_tmeta" pool = "snapshots_tdata" transaction_id = 0 chunk_size = 128 discards = "passdown" zero_new_blocks = 1 }
				}
				snapshots_tmeta {
					id = "qedfst-0000-0000-0000-0000-0000-000000"
					status = ["READ", "WRITE"]
					segment_count = 1
					segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1 stripes = ["pv0", 7] }
				}
				snapshots_tdata {
					id = "qedfsu-0000-0000-0000-0000-0000-000000"
					status = ["READ", "WRITE"]
					segment_count = 1
					segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1 stripes = ["pv0", 8] }
				}
			}
		}
	EOF
	vgcfgrestore -qq --force --yes --config "devices{filter=[\"a|${loops[0]}\$|\",\"a|${loops[1]}\$|\",\"r|.*|\"]}" -f "$work/vg.txt" vg
	sync "$work/pv0" "$work/pv1"
	losetup -d "${loops[@]}"
	truncate -s 8M "$work/lvroot"
	mke2fs -q -t ext4 -b 1024 -L lvroot -J size=1 -d "$work/tree" "$work/lvroot"
	truncate -s 4M "$work/lvdata"
	mke2fs -q -t ext2 -b 1024 -L lvdata -d "$work/tree/etc" "$work/lvdata"
	dd if="$work/lvroot" of="$work/pv1" bs=1M count=4 seek=3 conv=notrunc status=none
	dd if="$work/lvroot" of="$work/pv0" bs=1M skip=4 count=4 seek=1 conv=notrunc status=none
	for i in $(seq 0 31); do
		for leg in 0 1; do
			dd if="$work/lvdata" of="$work/pv$leg" bs=64K skip=$((2 * i + leg)) count=1 seek=$(((leg ? 7 : 6) * 16 + i)) conv=notrunc status=none
		done
	done
	dd if="$work/pv0" of="$work/lvm" bs=1M seek=1 conv=notrunc,sparse status=none
	dd if="$work/pv1" of="$work/lvm" bs=1M seek=11 conv=notrunc,sparse status=none
	to_qed "$work/lvm" lvm.qed
}

# An image over another over a raw file: the guest sees parts of all three.
chain() {
	head -c 96K /dev/zero | tr '\0' a >"$here/chain-base.raw"
	(cd "$here" &&
		qemu-img create -q -f qed -o cluster_size=4096,table_size=2 -b chain-base.raw -F raw chain-middle.qed 256K &&
		qemu-io -f qed -c 'write -P 0x62 32k 16k' -c 'write -z 64k 8k' chain-middle.qed >/dev/null &&
		qemu-img create -q -f qed -o cluster_size=4096,table_size=2 -b chain-middle.qed -F qed chain.qed 512K &&
		qemu-io -f qed -c 'write -P 0x63 40k 12k' -c 'write -P 0x64 300k 1000' chain.qed >/dev/null)
}

# An image whose writer was killed: NEED_CHECK is set, one cluster leaked.
dirty() {
	qemu-img create -q -f qed -o cluster_size=4096,table_size=2 "$here/dirty.qed" 1M
	qemu-io -f qed -c 'write -P 0x55 0 64k' "$here/dirty.qed" >/dev/null
	(qemu-io -f qed -c 'write -P 0x56 512k 8k' -c flush -c 'sigraise 9' "$here/dirty.qed" || true) >/dev/null 2>&1
	head -c 4096 /dev/zero >>"$here/dirty.qed"
}

# A disk whose first partition is a LUKS 1 volume (passphrase "one") that holds
# ext2, and whose second is a LUKS 2 volume (passphrase "two", or the bytes "three"
# of a key file) that holds a physical volume of LVM, in which "root" holds ext4.
# cryptsetup encrypts files without device-mapper.
encrypted() {
	local sizes=(--key-size 256 --luks2-metadata-size 16k --luks2-keyslots-size 288k)
	local costs=(--pbkdf argon2id --pbkdf-memory 1024 --pbkdf-force-iterations 4 --pbkdf-parallel 1)
	truncate -s 4M "$work/encrypted"
	eatmydata sgdisk -a 8 -n 1:128:5119 -t 1:8309 -c 1:old -n 2:5120:7167 -t 2:8309 -c 2:new "$work/encrypted" >/dev/null
	truncate -s 192K "$work/inner1"
	mke2fs -q -t ext2 -b 1024 -N 32 -L secret1 -d "$work/tree/etc" "$work/inner1"
	qemu-img convert -f raw -O luks --object secret,id=key,data=one \
		-o key-secret=key,cipher-alg=aes-128,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=sha256,iter-time=10 \
		"$work/inner1" "$work/luks1"
	truncate -s 512K "$work/inner2"
	local loop
	loop=$(losetup -f --show "$work/inner2")
	pvcreate -qq --config devices/pv_min_size=512 --uuid qedfsc-0000-0000-0000-0000-0000-000000 --norestorefile --metadatasize 60k --dataalignment 64k "$loop"
	cat >"$work/vg.txt" <<-'END'
		contents = "Text Format Volume Group"
		version = 1
		vault {
			id = "qedfsw-0000-0000-0000-0000-0000-000000"
			seqno = 1 format = "lvm2" status = ["RESIZEABLE", "READ", "WRITE"] flags = []
			extent_size = 128 max_lv = 0 max_pv = 0 metadata_copies = 0
			physical_volumes {
				pv0 { id = "qedfsc-0000-0000-0000-0000-0000-000000" status = ["ALLOCATABLE"] dev_size = 1024 pe_start = 128 pe_count = 7 }
			}
			logical_volumes {
				root {
					id = "qedfsx-0000-0000-0000-0000-0000-000000"
					status = ["READ", "WRITE", "VISIBLE"]
					segment_count = 1
					segment1 { start_extent = 0 extent_count = 4 type = "striped" stripe_count = 1 stripes = ["pv0", 0] }
				}
			}
		}
	END
	vgcfgrestore -qq --force --yes --config "devices{pv_min_size=512 filter=[\"a|$loop\$|\",\"r|.*|\"]}" -f "$work/vg.txt" vault
	sync "$work/inner2"
	losetup -d "$loop"
	truncate -s 256K "$work/lvroot"
	mke2fs -q -t ext4 -b 1024 -N 32 -O ^has_journal -L secret2 -d "$work/tree/etc" "$work/lvroot"
	dd if="$work/lvroot" of="$work/inner2" bs=64K seek=1 conv=notrunc status=none
	truncate -s 320K "$work/luks2"
	cat "$work/inner2" >>"$work/luks2"
	printf two >"$work/two"
	printf three >"$work/three"
	cryptsetup reencrypt -q --encrypt --type luks2 --label vault "${costs[@]}" "${sizes[@]}" --offset 640 --header "$work/header" --key-file "$work/two" "$work/luks2"
	cryptsetup luksAddKey -q "${costs[@]}" --key-file "$work/two" "$work/header" "$work/three"
	dd if="$work/luks1" of="$work/encrypted" bs=512 seek=128 conv=notrunc,sparse status=none
	dd if="$work/luks2" of="$work/encrypted" bs=512 seek=5120 conv=notrunc,sparse status=none
	dd if="$work/header" of="$work/encrypted" bs=512 seek=5120 conv=notrunc,sparse status=none
	to_qed "$work/encrypted" encrypted.qed
}

gpt
mbr
bare
lvm
btrfs_devices
encrypted
chain
dirty
if [ "${1:-}" = all ]; then
	(cd "$here/.." && QEDFS_UPDATE_TESTDATA=1 QEDFS_REQUIRE_ORACLES=1 go test -count=1 ./adapters/diskfs/...)
fi
ls -l "$here"
