#!/usr/bin/env bash
# Makes the disks of this directory: small systems that are none, laid out as
# installers lay them out. Needs root (loop mounts) and the packages that
# .ci/run installs. Run it from anywhere.
#
# Contents are fixed; identifiers and times that the tools choose differ from
# run to run, and so the bytes do.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'umount "$work/mnt" 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT
mkdir "$work/mnt"

to_qed() { qemu-img convert -f raw -O qed -o cluster_size=4096,table_size=2 "$work/$1" "$here/$1.qed"; }

# put FILE < contents
put() { mkdir -p "$(dirname "$1")" && cat >"$1"; }

# elf FILE CLASS DATA MACHINE: the header of a program, numbers in octal
elf() {
	mkdir -p "$(dirname "$1")"
	{ printf "\177ELF\\$2\\$3\\1\\0\\0\\0\\0\\0\\0\\0\\0\\0"; if [ "$3" = 1 ]; then printf "\\2\\0\\$4\\0"; else printf "\\0\\2\\0\\$4"; fi; head -c 44 /dev/zero; } >"$1"
	chmod 755 "$1"
}

base() { # a tree that every system has
	mkdir -p "$1"/{etc,bin,sbin,tmp,proc,root,home,srv,var/lib,usr/lib}
	printf 'root:x:0:0:root:/root:/bin/sh\n' | put "$1/etc/passwd"
	printf '%s\n' "$2" | put "$1/etc/hostname"
	printf 'NAME="%s"\nID=%s\nVERSION_ID="%s"\nPRETTY_NAME="%s"\n' "$3" "$4" "$5" "$3 $5" | put "$1/usr/lib/os-release"
	ln -s ../usr/lib/os-release "$1/etc/os-release"
}

stamp() { find "$1" -exec touch -h -d '2024-02-03 04:05:06 UTC' {} +; }

# Debian: an EFI system partition, /boot, a root and /home, each named in
# another way, with links across them, a bound directory, and what is missing.
debian() {
	local r=$work/debian.root b=$work/debian.boot h=$work/debian.home
	base "$r" bookworm "Debian GNU/Linux" debian 12
	mkdir -p "$r"/{boot,mnt/usb,mnt/gone,net,media/cdrom0,var/lib/overlay,srv/shared,srv/one}
	put "$r/etc/fstab" <<-'EOF'
		# <file system> <mount point> <type> <options> <dump> <pass>
		UUID="00000000-0000-0000-0000-00000000da7a" / ext4 errors=remount-ro 0 1
		UUID=0EF1-0EF1  /boot/efi  vfat  umask=0077  0 1
		/dev/sda2       /boot      ext2  defaults    0 2
		PARTLABEL=home\040of\040all /home auto defaults 0 2
		UUID=00000000-dead-dead-dead-000000000000 none swap sw 0 0
		/home/user/shared /srv/shared none bind 0 0
		/home/user/note /srv/one none bind 0 0
		/home/user/note /srv/note none bind 0 0
		tmpfs           /tmp       tmpfs defaults    0 0
		server:/export  /net       nfs   defaults    0 0
		/dev/sr0        /media/cdrom0 udf,iso9660 user,noauto 0 0
		LABEL=usb       /mnt/usb   ext4  nofail      0 0
		/dev/sdb1       /mnt/gone  ext4  defaults    0 0
		LABEL=nowhere   /mnt/not/there ext4 defaults 0 0
		overlay         /var/lib/overlay overlay lowerdir=/a,upperdir=/b,workdir=/c 0 0
	EOF
	# /srv/one is a directory here, and what it should show is a file.
	printf 'covered\n' | put "$r/srv/note"
	ln "$r/srv/note" "$r/srv/same"
	ln -s /home/user/note "$r/note"
	ln -s /srv/shared "$r/shared"
	mkdir -p "$r/home/hidden"
	printf '12.5\n' | put "$r/etc/debian_version"
	printf 'Europe/Paris\n' | put "$r/etc/timezone"
	put "$r/etc/passwd" <<-'EOF'
		root:x:0:0:root:/root:/bin/bash
		daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
		user:x:1000:1000:Some User,,,:/home/user:/bin/bash
		not a line
	EOF
	put "$r/var/lib/dpkg/status" <<-'EOF'
		Package: base-files
		Status: install ok installed
		Architecture: amd64
		Version: 12.4+deb12u5
		Description: Debian base system miscellaneous files
		 Version: not a field

		Package: gone
		Status: deinstall ok config-files
		Architecture: all
		Version: 1

		Package: libc6
		Status: install ok installed
		Source: glibc
		Architecture: amd64
		Version: 2.36-9+deb12u4
	EOF
	elf "$r/usr/lib/systemd/systemd" 2 1 076
	ln -s /usr/lib/systemd/systemd "$r/sbin/init"
	elf "$r/bin/sh" 2 1 076
	mkdir -p "$b/efi" "$h/user/shared" "$r/lib/modules/6.1.0-18-amd64"
	printf 'kernel\n' >"$b/vmlinuz-6.1.0-18-amd64"
	printf 'initrd\n' >"$b/initrd.img-6.1.0-18-amd64"
	printf 'a note\n' >"$h/user/note"
	printf 'for all\n' >"$h/user/shared/file"
	ln -s ../../etc/hostname "$h/user/hostname"
	ln -s ../../../../../../etc/hostname "$h/user/far"
	ln "$h/user/shared/file" "$h/user/linked"
	stamp "$r"; stamp "$b"; stamp "$h"
	truncate -s 9M "$work/debian"
	eatmydata sgdisk -n 1:2048:+1M -t 1:ef00 -n 2:0:+1M -n 3:0:+3M -n 4:0:+1M -c 4:"home of all" "$work/debian" >/dev/null
	truncate -s 1M "$work/esp" "$work/boot" "$work/home"
	truncate -s 3M "$work/root"
	mkfs.fat -F 12 -n ESP -i 0EF10EF1 "$work/esp" >/dev/null
	mmd -i "$work/esp" ::EFI ::EFI/debian
	printf 'loader\n' | mcopy -i "$work/esp" - ::EFI/debian/grubx64.efi
	mke2fs -q -t ext2 -b 1024 -L boot -d "$b" "$work/boot"
	mke2fs -q -t ext4 -b 1024 -L root -O ^has_journal -U 00000000-0000-0000-0000-00000000da7a -d "$r" "$work/root"
	mke2fs -q -t ext4 -b 1024 -L home -O ^has_journal -d "$h" "$work/home"
	local at=1
	for part in esp boot root home; do
		dd if="$work/$part" of="$work/debian" bs=1M seek=$at conv=notrunc,sparse status=none
		at=$((at + $(stat -c %s "$work/$part") / 1048576))
	done
	to_qed debian
}

# Fedora: everything in subvolumes of one btrfs, and a snapshot of the root.
fedora() {
	truncate -s 24M "$work/fedora"
	mkfs.btrfs -q -M -n 4096 -L fedora -U 00000000-0000-0000-0000-0000000bbbbb "$work/fedora"
	mount -o loop,compress=zstd "$work/fedora" "$work/mnt"
	(
		cd "$work/mnt"
		for s in root home var; do btrfs -q subvolume create $s; done
		base root station "Fedora Linux" fedora 39
		mkdir -p root/mnt/all root/var/lib/rpm
		put root/etc/fstab <<-'EOF'
			UUID=00000000-0000-0000-0000-0000000bbbbb / btrfs subvol=root,compress=zstd:1 0 0
			UUID=00000000-0000-0000-0000-0000000bbbbb /home btrfs subvol=/home 0 0
			UUID=00000000-0000-0000-0000-0000000bbbbb /var btrfs subvolid=258 0 0
			LABEL=fedora /mnt/all btrfs subvolid=5 0 0
			LABEL=fedora /srv btrfs subvol=gone 0 0
		EOF
		elf root/bin/sh 2 1 267
		mkdir -p home/user var/lib/rpm
		zstd -q -d "$here/../../adapters/diskfs/guest/internal/rpmdb/testdata/logged.zst" -o var/lib/rpm/rpmdb.sqlite
		zstd -q -d "$here/../../adapters/diskfs/guest/internal/rpmdb/testdata/logged-wal.zst" -o var/lib/rpm/rpmdb.sqlite-wal
		put root/usr/bin/dnf </dev/null
		printf 'at home\n' >home/user/file
		printf 'TZif2' | put root/usr/share/zoneinfo/America/New_York
		ln -s /usr/share/zoneinfo/America/New_York root/etc/localtime
		btrfs -q subvolume snapshot root "snapshot of root"
	)
	umount "$work/mnt"
	to_qed fedora
}

# Alpine: one filesystem that fills the disk.
alpine() {
	local r=$work/alpine.root
	base "$r" small "Alpine Linux" alpine 3.19.1
	printf '3.19.1\n' | put "$r/etc/alpine-release"
	put "$r/lib/apk/db/installed" <<-'EOF'
		C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=
		P:alpine-baselayout
		V:3.4.3-r2
		A:x86_64
		F:dev

		C:Q1a0JhqzJNtmkpJjtmOFJwRRGQhkE=
		P:musl
		V:1.2.4_git20230717-r4
		A:x86_64
		F:lib
		R:ld-musl-x86_64.so.1
	EOF
	elf "$r/bin/busybox" 1 2 010
	ln -s /bin/busybox "$r/bin/sh"
	ln -s /bin/busybox "$r/sbin/init"
	stamp "$r"
	truncate -s 1M "$work/alpine"
	mke2fs -q -t ext4 -b 1024 -O ^has_journal -d "$r" "$work/alpine"
	to_qed alpine
}

# Two systems on one disk: Arch and one without os-release.
two() {
	local r=$work/arch.root o=$work/old.root
	base "$r" arch "Arch Linux" arch ""
	put "$r/var/lib/pacman/local/bash-5.2.026-2/desc" <<-'EOF'
		%NAME%
		bash

		%VERSION%
		5.2.026-2

		%ARCH%
		x86_64
	EOF
	put "$r/var/lib/pacman/local/zlib-1:1.3.1-1/desc" <<-'EOF'
		%NAME%
		zlib

		%VERSION%
		1:1.3.1-1

		%ARCH%
		x86_64
	EOF
	base "$o" old x x x
	rm "$o/etc/os-release" "$o/usr/lib/os-release" "$o/etc/hostname"
	printf 'CentOS release 5.11 (Final)\n' | put "$o/etc/redhat-release"
	printf 'NETWORKING=yes\nHOSTNAME="old.example"\n' | put "$o/etc/sysconfig/network"
	printf 'LABEL=/ / ext3 defaults 1 1\n' | put "$o/etc/fstab"
	stamp "$r"; stamp "$o"
	truncate -s 4M "$work/two"
	eatmydata sfdisk -q "$work/two" <<-'EOF'
		label: dos
		label-id: 0x00000002
		start=2048, size=2048, type=83
		start=4096, size=2048, type=83
	EOF
	truncate -s 1M "$work/arch" "$work/old"
	mke2fs -q -t ext4 -b 1024 -O ^has_journal -L arch -d "$r" "$work/arch"
	mke2fs -q -t ext2 -b 1024 -L / -d "$o" "$work/old"
	dd if="$work/arch" of="$work/two" bs=1M seek=1 conv=notrunc,sparse status=none
	dd if="$work/old" of="$work/two" bs=1M seek=2 conv=notrunc,sparse status=none
	to_qed two
}

# hive FILE < what hivexregedit merges: a hive, begun with a root key alone.
# Keys may be named without those above them.
hive() {
	python3 -c '
import struct, sys
base, bins = bytearray(4096), bytearray(4096)
def u32(b, at, *n): struct.pack_into("<%dI" % len(n), b, at, *n)
base[:4] = b"regf"
u32(base, 4, 1, 1)
u32(base, 20, 1, 5, 0, 1, 0x20, 4096, 1)
total = 0
for at in range(0, 508, 4): total ^= struct.unpack_from("<I", base, at)[0]
u32(base, 508, total)
bins[:4] = b"hbin"
u32(bins, 4, 0, 4096)
u32(bins, 0x20, -88 & 0xffffffff)
bins[0x24:0x26] = b"nk"
struct.pack_into("<H", bins, 0x26, 0x2c)
for at in (16, 28, 32, 40, 48): u32(bins, 0x24 + at, 0xffffffff)
u32(bins, 0x24 + 44, 0x78)
struct.pack_into("<H", bins, 0x24 + 72, 4)
bins[0x70:0x74] = b"ROOT"
u32(bins, 0x78, -64 & 0xffffffff)
bins[0x7c:0x7e] = b"sk"
u32(bins, 0x80, 0x78, 0x78, 1, 20)
bins[0x90:0x94] = b"\x01\x00\x04\x80"
u32(bins, 0xb8, 4096 - 0xb8)
sys.stdout.buffer.write(base + bins)' >"$1"
	python3 -c '
import re, sys
seen = set()
print("Windows Registry Editor Version 5.00\n")
for line in sys.stdin:
	key = re.match(r"\[(.*)\]", line)
	if key:
		path = ""
		for name in key[1].strip("\\").split("\\"):
			path += "\\" + name
			if path not in seen: print("\n[" + path + "]")
			seen.add(path)
	else: print(line, end="")' >"$1.reg"
	hivexregedit --merge "$1" "$1.reg"
}

# Windows: the system's volume with its registry, and one of data.
windows() {
	local c=$work/config
	mkdir -p "$c"
	hive "$c/SOFTWARE" <<-'EOF'
		[Microsoft\Windows NT\CurrentVersion]
		"ProductName"="Windows 10 Pro"
		"InstallationType"="Client"
		"CurrentVersion"="6.3"
		"CurrentMajorVersionNumber"=dword:0000000a
		"CurrentMinorVersionNumber"=dword:00000000
		"CurrentBuildNumber"="22631"
		"UBR"=dword:00000cfb
		[Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-18]
		"ProfileImagePath"="%systemroot%\\system32\\config\\systemprofile"
		[Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-1-2-3-1001]
		"ProfileImagePath"="C:\\Users\\Someone"
		[Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-7-8-9-1105]
		"ProfileImagePath"="%SystemDrive%\\Users\\domain.user"
		[Microsoft\Windows\CurrentVersion\Uninstall\{01234567-89AB-CDEF-0123-456789ABCDEF}]
		"DisplayName"="An Editor (x64)"
		"DisplayVersion"="8.6.2"
		"Publisher"="Some People"
		[Microsoft\Windows\CurrentVersion\Uninstall\KB123]
		"ParentKeyName"="OperatingSystem"
		[Wow6432Node\Microsoft\Windows\CurrentVersion\Uninstall\old]
		"DisplayName"="Altes Programm"
		"DisplayVersion"="1.0"
	EOF
	hive "$c/SYSTEM" <<-'EOF'
		[Select]
		"Current"=dword:00000002
		[ControlSet001\Services\Tcpip\Parameters]
		"Hostname"="before"
		[ControlSet002\Services\Tcpip\Parameters]
		"Hostname"="winbox"
		[ControlSet002\Control\ComputerName\ComputerName]
		"ComputerName"="WINBOX"
		[ControlSet002\Control\TimeZoneInformation]
		"TimeZoneKeyName"="W. Europe Standard Time"
		[ControlSet002\Control\Session Manager\Environment]
		"PROCESSOR_ARCHITECTURE"="x86"
		[MountedDevices]
		"\\DosDevices\\C:"=hex:44,4d,49,4f,3a,49,44,3a,10,32,54,76,98,ba,dc,fe,01,23,45,67,89,ab,cd,ef
		"\\DosDevices\\D:"=hex:44,4d,49,4f,3a,49,44,3a,11,32,54,76,98,ba,dc,fe,01,23,45,67,89,ab,cd,ef
		"\\DosDevices\\E:"=hex:5c,00,3f,00,3f,00,5c,00
		"\\??\\Volume{00000000-0000-0000-0000-000000000000}"=hex:00
	EOF
	hive "$c/SAM" <<-'EOF'
		[SAM\Domains\Account\Users\Names\Administrator]
		@=hex(1f4):
		[SAM\Domains\Account\Users\Names\Someone]
		@=hex(3e9):
	EOF
	truncate -s 2M "$work/system"
	mkntfs -q -F -s 512 -c 512 -p 2048 -H 16 -S 63 -L System "$work/system" >/dev/null 2>&1
	ntfs-3g "$work/system" "$work/mnt"
	mkdir -p "$work/mnt/Windows/System32/config" "$work/mnt/Users/Someone"
	cp "$c"/{SOFTWARE,SYSTEM,SAM} "$work/mnt/Windows/System32/config"
	{ printf MZ; head -c 58 /dev/zero; printf '\100\0\0\0PE\0\0\144\206'; } >"$work/mnt/Windows/System32/cmd.exe"
	umount "$work/mnt"
	truncate -s 64K "$work/data"
	mkfs.fat -F 12 -n DATA -i DA7ADA7A "$work/data" >/dev/null
	truncate -s 5M "$work/windows"
	eatmydata sgdisk -n 1:2048:+2M -t 1:0700 -u 1:76543210-ba98-fedc-0123-456789abcdef \
		-n 2:0:+64K -t 2:0700 -u 2:76543211-ba98-fedc-0123-456789abcdef "$work/windows" >/dev/null
	dd if="$work/system" of="$work/windows" bs=1M seek=1 conv=notrunc,sparse status=none
	dd if="$work/data" of="$work/windows" bs=1M seek=3 conv=notrunc,sparse status=none
	to_qed windows
}

for disk in ${*:-debian fedora alpine two windows}; do $disk; done
