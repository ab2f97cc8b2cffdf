package guest

import (
	"io/fs"
	"path"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

// bootLoaders are the files that tell the programs that start a system apart,
// those of more meaning first.
var bootLoaders = [...]struct{ file, loader string }{
	{"boot/grub2/grub.cfg", "grub2"},
	{"boot/grub/grub.cfg", "grub2"},
	{"boot/loader/loader.conf", "systemd-boot"},
	{"boot/efi/loader/loader.conf", "systemd-boot"},
	{"efi/loader/loader.conf", "systemd-boot"},
	{"boot/grub/menu.lst", "grub"},
	{"boot/grub/grub.conf", "grub"},
	{"boot/extlinux/extlinux.conf", "extlinux"},
	{"boot/extlinux.conf", "extlinux"},
	{"boot/syslinux/syslinux.cfg", "syslinux"},
	{"boot/limine.conf", "limine"},
	{"boot/refind_linux.conf", "refind"},
	{"etc/zipl.conf", "zipl"},
	{"etc/yaboot.conf", "yaboot"},
	{"etc/lilo.conf", "lilo"},
	{"etc/silo.conf", "silo"},
	{"boot/boot.scr", "u-boot"},
	{"boot/uEnv.txt", "u-boot"},
	{"boot/loader.efi", "loader"}, // of FreeBSD
	{"boot/loader", "loader"},
}

// bootLoader tells what starts the system.
func (in *inspection) bootLoader() {
	for _, c := range bootLoaders {
		if in.exists(c.file) {
			in.info.BootLoader = c.loader
			return
		}
	}
	for _, dir := range [...]string{"boot/efi/EFI", "boot/EFI", "efi/EFI"} {
		if in.info.BootLoader = in.efiLoader(dir); in.info.BootLoader != "" {
			return
		}
	}
}

// efiLoader tells it from the programs of an EFI system partition.
func (in *inspection) efiLoader(dir string) string {
	for _, vendor := range in.list(dir) {
		for _, file := range in.list(dir + "/" + vendor.Name()) {
			switch name := strings.ToLower(file.Name()); {
			case strings.HasPrefix(name, "grub"):
				return "grub2"
			case strings.HasPrefix(name, "systemd-boot"):
				return "systemd-boot"
			case strings.HasPrefix(name, "refind"):
				return "refind"
			}
		}
	}
	return ""
}

// windowsLoaders are looked for on all volumes: they lie on one of their own.
var windowsLoaders = [...]struct{ file, loader string }{
	{"bootmgr", "bootmgr"}, {"EFI/Microsoft/Boot/bootmgfw.efi", "bootmgr"}, {"ntldr", "ntldr"},
}

func (in *inspection) windowsLoader(volumes []imagefs.Volume) {
	for _, c := range windowsLoaders {
		for i := range volumes {
			fsys, err := volumes[i].FS()
			if err != nil {
				continue // Find has its error
			}
			if _, err := fsys.Stat(c.file); err == nil {
				in.info.BootLoader = c.loader
				return
			}
		}
	}
}

// list is what a directory has, nothing where there is none.
func (in *inspection) list(dir string) []fs.DirEntry {
	list, err := in.root.ReadDir(dir)
	in.failed(err)
	return list
}

// kernels lists what boot loaders start.
func (in *inspection) kernels() {
	// What is missing in the root directory are mounts, with errors of their own.
	top, _ := in.root.ReadDir(".")
	in.kernelsIn(".", top)
	in.kernelsIn("boot", in.list("boot"))
	for _, version := range in.list("usr/lib/modules") {
		if dir := "usr/lib/modules/" + version.Name(); in.exists(dir + "/vmlinuz") {
			in.kernel(dir, "vmlinuz")
		}
	}
	if in.exists("boot/kernel/kernel") { // of FreeBSD
		in.kernel("boot/kernel", "kernel")
	}
}

// kernelNames begin the names of kernels: of Linux, NetBSD and OpenBSD.
var kernelNames = [...]string{"vmlinu", "bzImage", "zImage", "uImage", "Image-", "kernel-", "kernel7", "kernel8"}

func (in *inspection) kernelsIn(dir string, list []fs.DirEntry) {
	for _, d := range list {
		if d.IsDir() || d.Type() == fs.ModeSymlink {
			continue
		}
		if name := d.Name(); strings.HasPrefix(name, "initr") {
			if len(in.info.Initrds) < maxList {
				in.info.Initrds = append(in.info.Initrds, "/"+path.Join(dir, name))
			}
		} else if in.isKernel(dir, name) {
			in.kernel(dir, name)
		}
	}
}

func (in *inspection) isKernel(dir, name string) bool {
	for _, prefix := range kernelNames {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return dir == "." && (name == "netbsd" && in.info.Type == NetBSD || name == "bsd" && in.info.Type == OpenBSD)
}

func (in *inspection) kernel(dir, name string) {
	if len(in.info.Kernels) < maxList {
		in.info.Kernels = append(in.info.Kernels, "/"+path.Join(dir, name))
	}
}
