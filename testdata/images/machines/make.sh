#!/usr/bin/env bash
# Makes the images of virtual machines' formats in this directory, with
# qemu-img and qemu-io 7.2. Each has beside it the map that qemu-img has of it
# (.map; not for VHDX, of which it has none) and the checksum of the disk
# (.sha256). The files are compressed: most of them is zeroes.
set -euo pipefail
cd "$(dirname "$0")"
rm -f ./*.gz ./*.map ./*.sha256
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# A disk of 5 MiB and a half with data, zeroes that are written, and holes.
size=5767168
writes=(
	-c 'write -q -P 1 0 512' -c 'write -q -P 2 65024 131072' -c 'write -q -P 3 1048064 1024' -c 'write -q -z 1536k 600k'
	-c 'write -q -P 4 3m 70000' -c 'write -q -P 5 5767000 168' -c 'write -q -P 6 4m 64k' -c 'write -q -z 4m 64k'
)

finish() { # name, format
	if [ "$2" != vhdx ]; then
		qemu-img map -f "$2" --output=json "$tmp/$1" > "$1.map"
	fi
	qemu-img convert -f "$2" -O raw "$tmp/$1" "$tmp/raw"
	sha256sum < "$tmp/raw" | cut -d' ' -f1 > "$1.sha256"
}

make() { # name, format, options
	qemu-img create -q -f "$2" -o "$3" "$tmp/$1" $size
	qemu-io -f "$2" "${writes[@]}" "$tmp/$1"
	finish "$1" "$2"
}

make sparse.vmdk vmdk subformat=monolithicSparse
make zeroed.vmdk vmdk subformat=monolithicSparse,zeroed_grain=on,compat6=on
make flat.vmdk vmdk subformat=monolithicFlat
make split.vmdk vmdk subformat=twoGbMaxExtentSparse
qemu-img convert -f vmdk -O vmdk -o subformat=streamOptimized "$tmp/sparse.vmdk" "$tmp/stream.vmdk"
finish stream.vmdk vmdk
qemu-img create -q -f vmdk -b sparse.vmdk -F vmdk "$tmp/delta.vmdk"
qemu-io -f vmdk -c 'write -q -P 7 100000 3000' -c 'write -q -P 8 2m 64k' "$tmp/delta.vmdk"
finish delta.vmdk vmdk
make dynamic.vdi vdi static=off
make static.vdi vdi static=on
make dynamic.vhd vpc subformat=dynamic
make dynamic-size.vhd vpc subformat=dynamic,force_size=on
make fixed.vhd vpc subformat=fixed,force_size=on
make dynamic.vhdx vhdx subformat=dynamic,block_size=1M
make fixed.vhdx vhdx subformat=fixed,block_size=2M

for f in "$tmp"/*.v*; do
	gzip -9 -n < "$f" > "$(basename "$f").gz"
done
