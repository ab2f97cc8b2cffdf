#!/usr/bin/env bash
# Makes the qcow2 images of this directory, and beside each what qemu-img says
# of it: NAME.sha256 is the checksum of the disk, NAME.map its map. Needs
# qemu-utils. Run it from anywhere.
#
# Contents and sizes are fixed; times in snapshots differ from run to run.
set -euo pipefail
cd "$(dirname "$0")"
rm -f qcow2-*

# The disk: 500 KiB of text, numbers and holes.
disk=qcow2-disk.raw
truncate -s 500K $disk
seq -w 1 16666 | dd of=$disk conv=notrunc status=none
seq -f 'line %g of the log' 1 3000 | dd of=$disk bs=1K seek=200 conv=notrunc status=none
head -c 20000 /dev/zero | openssl enc -aes-128-ctr -K 0123456789abcdef0123456789abcdef -iv 00000000000000000000000000000000 -nosalt |
	dd of=$disk bs=1K seek=400 conv=notrunc status=none

create() { # name, options
	qemu-img create -q -f qcow2 -o "$2" "qcow2-$1" 500K
}
io() { # name, commands
	local name=qcow2-$1 args=() c
	shift
	for c; do args+=(-c "$c"); done
	qemu-io -f qcow2 "${args[@]}" "$name" >/dev/null
}
convert() { # name, options, flags
	qemu-img convert -f raw -O qcow2 ${3-} -o "$2" $disk "qcow2-$1"
}
# What follows changes parts of clusters, whole ones, and ones that are zeroes.
history=('write -P 1 3k 10k' 'write -z 8k 20k' 'write -z -u 64k 32k' 'write -P 2 70k 1k' 'discard 0 16k' 'write -P 3 499k 1k' 'write -P 4 300001 777' 'write -z 320k 1k')

convert v2 compat=0.10,cluster_size=4k
io v2 "${history[@]}"
convert 512 cluster_size=512
io 512 "${history[@]}"
convert zlib cluster_size=4k -c
io zlib 'write -P 5 10k 3k' 'write -z 208k 8k'
convert zlib-128k cluster_size=128k -c
convert zstd cluster_size=16k,compression_type=zstd -c
create extended cluster_size=16k,extended_l2=on
io extended 'write -P 7 0 100k' "${history[@]}" 'write -c -P 9 400k 16k'
create data-file cluster_size=4k,data_file=qcow2-data-file.raw
io data-file "${history[@]}"
create prealloc cluster_size=4k,preallocation=metadata
io prealloc "${history[@]}"

# A chain of three formats. In a raw file at its end there are no zeroes: git
# makes holes of them or not, and the map would show them.
seq -w 1 51200 | head -c 300K >qcow2-bottom.raw
qemu-img create -q -f qed -o cluster_size=4k,table_size=2 -b qcow2-bottom.raw -F raw qcow2-middle.qed 450K
qemu-io -f qed -c 'write -P 20 5k 10k' -c 'write -P 21 430k 20k' qcow2-middle.qed >/dev/null
qemu-img create -q -f qcow2 -o cluster_size=4k -b qcow2-middle.qed -F qed qcow2-chain 500K
io chain "${history[@]}"

# Two snapshots; the second before the disk was enlarged.
convert snapshots cluster_size=4k
qemu-img snapshot -c first qcow2-snapshots
io snapshots 'write -P 30 0 64k'
qemu-img snapshot -c 'the second' qcow2-snapshots
qemu-img resize -q qcow2-snapshots 600K
io snapshots 'write -P 31 64k 200k' 'write -P 32 590k 10k'
qemu-img bitmap --add -g 4096 qcow2-snapshots written

# One whose writer was killed.
create dirty cluster_size=4k,lazy_refcounts=on
io dirty 'write -P 40 10k 50k' 'flush' 'abort' 2>/dev/null || true

for name in qcow2-*; do
	case $name in *.raw | *.qed) continue ;; esac
	mv "$name" "$name.qcow2"
	qemu-img convert -O raw "$name.qcow2" tmp.raw
	sha256sum <tmp.raw | cut -d' ' -f1 >"$name.sha256"
	qemu-img map --output=json "$name.qcow2" >"$name.map"
done
for s in first 'the second'; do
	qemu-img convert -l "$s" -O raw qcow2-snapshots.qcow2 tmp.raw
	# qemu-img shows a snapshot in the size that the disk has now.
	head -c 500K tmp.raw | sha256sum | cut -d' ' -f1 >"qcow2-snapshots.${s##* }.sha256"
done
rm -f tmp.raw $disk
ls -l qcow2-*
