package guest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/guest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// phony is the system whose root filesystem has these files. A name that ends
// with a slash is a directory, contents that begin with "-> " are a link.
func phony(t *testing.T, kind string, files map[string]string) []*guest.System {
	t.Helper()
	root, image := t.TempDir(), filepath.Join(t.TempDir(), "image")
	for name, content := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, file)
		} else if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(file, 0o755)
		} else {
			err = os.WriteFile(file, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(image, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 1<<20); err != nil {
		t.Fatal(err)
	}
	if kind == "vfat" {
		oracle.Run(t, "mkfs.fat", image)
		if dirs, err := filepath.Glob(root + "/*"); err != nil {
			t.Fatal(err)
		} else {
			oracle.Run(t, "mcopy", append([]string{"-s", "-i", image}, append(dirs, "::")...)...)
		}
	} else {
		oracle.Run(t, "mke2fs", "-q", "-t", "ext2", "-b", "1024", "-d", root, image)
	}
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := qedfile.NewRaw(backend.NewMemory(b))
	if err != nil {
		t.Fatal(err)
	}
	d, err := imagefs.OpenDisk(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	systems, err := guest.Find(d)
	if err != nil {
		t.Fatal(err)
	}
	return systems
}

// TestDistributionsHaveTheirNames has a root for each of the names of libguestfs
// and for each file that tells them: type, distribution, version, product.
func TestDistributionsHaveTheirNames(t *testing.T) {
	oracle.Tool(t, "mke2fs")
	osRelease := func(id, version, pretty string) map[string]string {
		return map[string]string{"etc/os-release": "ID=" + id + "\nVERSION_ID=\"" + version + "\"\nPRETTY_NAME='" + pretty + "'\n"}
	}
	file := func(name, content string) map[string]string { return map[string]string{name: content + "\n"} }
	for want, files := range map[string]map[string]string{
		"linux alpinelinux 3.19.1 Alpine Linux v3.19":                      osRelease("alpine", "3.19.1", "Alpine Linux v3.19"),
		"linux altlinux 10.1 ALT Server 10.1":                              osRelease("altlinux", "10.1", "ALT Server 10.1"),
		"linux archlinux  Arch Linux":                                      osRelease("arch", "", "Arch Linux"),
		"linux buildroot 2023.02 Buildroot 2023.02":                        osRelease("buildroot", "2023.02", "Buildroot 2023.02"),
		"linux centos 9 CentOS Stream 9":                                   osRelease(`"centos"`, "9", "CentOS Stream 9"),
		"linux circle 8.4 Circle Linux 8.4":                                osRelease(`"circle"`, "8.4", "Circle Linux 8.4"),
		"linux coreos 1967.3.0 Container Linux by CoreOS":                  osRelease("coreos", "1967.3.0", "Container Linux by CoreOS"),
		"linux debian 12 Debian GNU/Linux 12":                              osRelease("debian", "12", "Debian GNU/Linux 12"),
		"linux fedora 39 Fedora Linux 39":                                  osRelease("fedora", "39", "Fedora Linux 39"),
		"linux gentoo 2.14 Gentoo Linux":                                   osRelease("gentoo", "2.14", "Gentoo Linux"),
		"linux kalilinux 2024.1 Kali GNU/Linux Rolling":                    osRelease("kali", "2024.1", "Kali GNU/Linux Rolling"),
		"linux kylin V10 Kylin Linux Advanced Server V10":                  osRelease(`"kylin"`, "V10", "Kylin Linux Advanced Server V10"),
		"linux linuxmint 21.3 Linux Mint 21.3":                             osRelease("linuxmint", "21.3", "Linux Mint 21.3"),
		"linux mageia 9 Mageia 9":                                          osRelease("mageia", "9", "Mageia 9"),
		"linux neokylin V7 NeoKylin V7":                                    osRelease("neokylin", "V7", "NeoKylin V7"),
		"linux openeuler 22.03 openEuler 22.03":                            osRelease(`"openEuler"`, "22.03", "openEuler 22.03"),
		"linux openmandriva 5.0 OpenMandriva Lx 5.0":                       osRelease("openmandriva", "5.0", "OpenMandriva Lx 5.0"),
		"linux opensuse 15.5 openSUSE Leap 15.5":                           osRelease("opensuse-leap", "15.5", "openSUSE Leap 15.5"),
		"linux opensuse 20240101 openSUSE Tumbleweed":                      osRelease("opensuse-tumbleweed", "20240101", "openSUSE Tumbleweed"),
		"linux oraclelinux 9.3 Oracle Linux Server 9.3":                    osRelease("ol", "9.3", "Oracle Linux Server 9.3"),
		"linux pardus 21.5 Pardus GNU/Linux":                               osRelease("pardus", "21.5", "Pardus GNU/Linux"),
		"linux pldlinux 3.0 PLD Linux":                                     osRelease("pld", "3.0", "PLD Linux"),
		"linux rhel 9.3 Red Hat Enterprise Linux 9.3":                      osRelease("rhel", "9.3", "Red Hat Enterprise Linux 9.3"),
		"linux rocky 9.3 Rocky Linux 9.3":                                  osRelease("rocky", "9.3", "Rocky Linux 9.3"),
		"linux scientificlinux 7.9 Scientific Linux 7.9":                   osRelease("scientific", "7.9", "Scientific Linux 7.9"),
		"linux slackware 15.0 Slackware 15.0":                              osRelease("slackware", "15.0", "Slackware 15.0"),
		"linux sles 15.5 SUSE Linux Enterprise Server 15 SP5":              osRelease("sles", "15.5", "SUSE Linux Enterprise Server 15 SP5"),
		"linux sles 12.4 SUSE Linux Enterprise Desktop 12 SP4":             osRelease("sled", "12.4", "SUSE Linux Enterprise Desktop 12 SP4"),
		"linux ubuntu 22.04 Ubuntu 22.04.3 LTS":                            osRelease("ubuntu", "22.04", "Ubuntu 22.04.3 LTS"),
		"linux uos 20 UnionTech OS Server 20":                              osRelease("uos", "20", "UnionTech OS Server 20"),
		"linux virtuozzo 8 Virtuozzo Hybrid Server 8":                      osRelease("virtuozzo", "8", "Virtuozzo Hybrid Server 8"),
		"linux voidlinux  Void":                                            osRelease("void", "", "Void"),
		"linux nixos 23.11 NixOS 23.11":                                    osRelease("nixos", "23.11", "NixOS 23.11"), // without another name
		"linux kalilinux 1 Debian":                                         {"etc/os-release": "ID=debian\nVERSION_ID=1\nPRETTY_NAME=Debian\n", "etc/kali_version": "1\n"},
		"linux ubuntu 10.04 Ubuntu 10.04.4 LTS":                            file("etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=10.04\nDISTRIB_DESCRIPTION=\"Ubuntu 10.04.4 LTS\""),
		"linux mandriva 2010.2 Mandriva Linux 2010.2":                      file("etc/lsb-release", "DISTRIB_ID=MandrivaLinux\nDISTRIB_RELEASE=2010.2\nDISTRIB_DESCRIPTION=\"Mandriva Linux 2010.2\""),
		"linux centos 5.11 CentOS release 5.11 (Final)":                    file("etc/centos-release", "CentOS release 5.11 (Final)"),
		"linux fedora 4 Fedora Core release 4 (Stentz)":                    {"etc/fedora-release": "Fedora Core release 4 (Stentz)\n", "etc/redhat-release": "x\n"},
		"linux rhel 6.10 Red Hat Enterprise Linux Server release 6.10 (S)": file("etc/redhat-release", "Red Hat Enterprise Linux Server release 6.10 (S)"),
		"linux scientificlinux 6.5 Scientific Linux release 6.5 (Carbon)":  file("etc/redhat-release", "Scientific Linux release 6.5 (Carbon)"),
		"linux redhat-based 3 Some Linux 3":                                file("etc/redhat-release", "Some Linux 3"),
		"linux oraclelinux 6.9 Oracle Linux Server release 6.9":            {"etc/oracle-release": "Oracle Linux Server release 6.9\n", "etc/redhat-release": "Red Hat Enterprise Linux Server release 6.9\n"},
		"linux debian 5.0.4 Debian 5.0.4":                                  file("etc/debian_version", "5.0.4"),
		"linux pardus 2009.1 Pardus 2009.1":                                {"etc/pardus-release": "Pardus 2009.1\n", "etc/passwd": ""},
		"linux opensuse 11.4 openSUSE 11.4 (x86_64)":                       file("etc/SuSE-release", "openSUSE 11.4 (x86_64)\nVERSION = 11.4"),
		"linux sles 11 SUSE Linux Enterprise Server 11 (x86_64)":           file("etc/SuSE-release", "SUSE Linux Enterprise Server 11 (x86_64)"),
		"linux suse-based 9.3 SuSE Linux 9.3":                              file("etc/SuSE-release", "SuSE Linux 9.3"),
		"linux gentoo 1.12.13 Gentoo Base System release 1.12.13":          file("etc/gentoo-release", "Gentoo Base System release 1.12.13"),
		"linux slackware 13.37.0 Slackware 13.37.0":                        file("etc/slackware-version", "Slackware 13.37.0"),
		"linux meego 1.1 MeeGo release 1.1 (MeeGo)":                        {"etc/meego-release": "MeeGo release 1.1 (MeeGo)\n", "etc/passwd": ""},
		"linux frugalware 1.9 Frugalware 1.9 (Arcturus)":                   {"etc/frugalware-release": "Frugalware 1.9 (Arcturus)\n", "etc/fstab": ""},
		"linux ttylinux 9.0 ttylinux pc_i486-9.0":                          file("etc/ttylinux-target", "pc_i486-9.0"),
		"linux cirros 0.3.0 CirrOS 0.3.0":                                  {"etc/cirros/version": "0.3.0\n", "etc/passwd": ""},
		"linux unknown  ":                                                  file("etc/passwd", ""),
		"freebsd freebsd 13.2 FreeBSD 13.2-RELEASE":                        {"bin/freebsd-version": "#!/bin/sh\nUSERLAND_VERSION=\"13.2-RELEASE\"\n", "etc/passwd": ""},
		"netbsd netbsd 9.3 NetBSD 9.3/amd64":                               {"netbsd": "", "etc/release": "NetBSD 9.3/amd64\n"},
		"openbsd openbsd 7.4 OpenBSD 7.4":                                  {"bsd": "", "etc/motd": "OpenBSD 7.4 (GENERIC.MP) #1397\n", "etc/fstab": ""},
		"vfat: dos freedos  FreeDOS":                                       {"FDOS/FREEDOS.BSS": ""},
		"vfat: dos msdos  MS-DOS":                                          {"IO.SYS": "", "MSDOS.SYS": ""},
		"vfat: windows windows  ":                                          {"WINDOWS/system32/config/x": ""},
	} {
		kind := "ext2"
		if rest, ok := strings.CutPrefix(want, "vfat: "); ok {
			kind, want = "vfat", rest
		}
		systems := phony(t, kind, files)
		if len(systems) != 1 {
			t.Errorf("%s: %d systems", want, len(systems))
			continue
		}
		info, err := systems[0].Inspect()
		if err != nil {
			t.Errorf("%s: %v", want, err)
		}
		if got := strings.Join([]string{string(info.Type), info.Distro, info.Version, info.Product}, " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestWhatStartsASystem(t *testing.T) {
	oracle.Tool(t, "mke2fs")
	for name, c := range map[string]struct {
		files            map[string]string
		loader, init     string
		kernels, initrds []string
	}{
		"Debian": {map[string]string{
			"boot/grub/grub.cfg": "", "boot/vmlinuz-6.1": "", "boot/initrd.img-6.1": "", "vmlinuz": "-> boot/vmlinuz-6.1",
			"sbin/init": "-> /lib/systemd/systemd",
		}, "grub2", "systemd", []string{"/boot/vmlinuz-6.1"}, []string{"/boot/initrd.img-6.1"}},
		"Fedora": {map[string]string{
			"boot/efi/EFI/fedora/grubx64.efi": "", "usr/lib/modules/6.5/vmlinuz": "", "boot/initramfs-6.5.img": "", "usr/lib/modules/6.4/x": "",
		}, "grub2", "", []string{"/usr/lib/modules/6.5/vmlinuz"}, []string{"/boot/initramfs-6.5.img"}},
		"systemd-boot":          {map[string]string{"efi/loader/loader.conf": ""}, "systemd-boot", "", nil, nil},
		"systemd-boot, unset":   {map[string]string{"boot/EFI/systemd/systemd-bootx64.efi": "", "boot/EFI/BOOT/BOOTX64.EFI": ""}, "systemd-boot", "", nil, nil},
		"refind":                {map[string]string{"boot/efi/EFI/refind/refind_x64.efi": ""}, "refind", "", nil, nil},
		"old GRUB":              {map[string]string{"boot/grub/menu.lst": "", "etc/lilo.conf": "", "sbin/init": "", "etc/inittab": ""}, "grub", "sysvinit", nil, nil},
		"LILO and a kernel":     {map[string]string{"etc/lilo.conf": "", "bzImage": "", "boot/System.map": ""}, "lilo", "", []string{"/bzImage"}, nil},
		"Alpine":                {map[string]string{"boot/extlinux.conf": "", "sbin/init": "-> /bin/busybox", "sbin/openrc": ""}, "extlinux", "openrc", nil, nil},
		"busybox":               {map[string]string{"sbin/init": "-> /bin/busybox"}, "", "busybox", nil, nil},
		"runit":                 {map[string]string{"sbin/init": "-> /usr/bin/runit-init"}, "", "runit", nil, nil},
		"dinit":                 {map[string]string{"sbin/init": "-> /usr/bin/dinit"}, "", "dinit", nil, nil},
		"s6":                    {map[string]string{"sbin/init": "-> /bin/s6-svscan"}, "", "s6", nil, nil},
		"upstart":               {map[string]string{"sbin/init": "", "etc/init/rc.conf": ""}, "", "upstart", nil, nil},
		"FreeBSD":               {map[string]string{"bin/freebsd-version": "", "boot/loader": "", "boot/kernel/kernel": ""}, "loader", "", []string{"/boot/kernel/kernel"}, nil},
		"NetBSD":                {map[string]string{"netbsd": ""}, "", "", []string{"/netbsd"}, nil},
		"a file called netbsd":  {map[string]string{"boot/netbsd": ""}, "", "", nil, nil},
		"nothing":               {map[string]string{}, "", "", nil, nil},
		"a directory is no one": {map[string]string{"boot/vmlinuz-dir/": ""}, "", "", nil, nil},
	} {
		c.files["etc/passwd"] = ""
		info, err := phony(t, "ext2", c.files)[0].Inspect()
		if err != nil || info.BootLoader != c.loader || info.Init != c.init ||
			!slices.Equal(info.Kernels, c.kernels) || !slices.Equal(info.Initrds, c.initrds) {
			t.Errorf("%s: loader %q, init %q, kernels %q, initrds %q, %v", name, info.BootLoader, info.Init, info.Kernels, info.Initrds, err)
		}
	}
}

// TestNamesAndZonesAreReadWhereSystemsHaveThem has the files of several families.
func TestNamesAndZonesAreReadWhereSystemsHaveThem(t *testing.T) {
	oracle.Tool(t, "mke2fs")
	for want, files := range map[string]map[string]string{
		"a Europe/Berlin":    {"etc/hostname": "# a comment\na\n", "etc/localtime": "-> ../usr/share/zoneinfo/Europe/Berlin"},
		"b Asia/Tokyo":       {"etc/sysconfig/network": "NETWORKING=yes\nHOSTNAME='b'\n", "etc/sysconfig/clock": "ZONE=\"Asia/Tokyo\"\n"},
		"c UTC":              {"etc/conf.d/hostname": "hostname=\"c\"\n", "etc/timezone": "UTC\n"},
		"d ":                 {"etc/rc.conf": "hostname=\"d\"\n", "etc/localtime": "TZif2"},
		"e America/Bogota":   {"etc/HOSTNAME": "e\n", "etc/localtime": "-> /usr/share/zoneinfo/America/Bogota"},
		"f Pacific/Auckland": {"etc/myname": "f\n", "var/db/zoneinfo": "Pacific/Auckland\n"},
	} {
		files["etc/passwd"] = ""
		info, err := phony(t, "ext2", files)[0].Inspect()
		if got := info.Hostname + " " + info.TimeZone; got != want || err != nil {
			t.Errorf("%q, want %q: %v", got, want, err)
		}
	}
}

func TestAMountIsOfWhatCrypttabNames(t *testing.T) {
	oracle.Tool(t, "mke2fs")
	s := phony(t, "ext2", map[string]string{
		"etc/crypttab": "data /dev/vda none luks\n", "etc/fstab": "/dev/mapper/data /mnt ext2 defaults 0 0\n", "mnt/": "",
	})[0]
	if m := s.Mounts(); len(m) != 1 || m[0].Volume != "disk" || m[0].Err != nil {
		t.Errorf("%+v", m)
	}
}
