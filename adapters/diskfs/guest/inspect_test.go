package guest_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/guest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func TestSystemsAreWhatTheySay(t *testing.T) {
	for _, c := range []struct {
		image   string
		n       int
		want    guest.Info
		problem string
	}{
		{"guest/debian.qed", 0, guest.Info{
			Name: "p3", Volume: "p3", Type: guest.Linux, Distro: "debian", Version: "12", Product: "Debian GNU/Linux 12",
			Arch: "x86_64", Hostname: "bookworm", TimeZone: "Europe/Paris", Init: "systemd",
			PackageFormat: "deb", PackageManager: "apt",
			Packages: []guest.Package{
				{Name: "base-files", Version: "12.4+deb12u5", Arch: "amd64"},
				{Name: "libc6", Version: "2.36-9+deb12u4", Arch: "amd64", Source: "glibc"},
			},
			BootLoader: "grub2", Kernels: []string{"/boot/vmlinuz-6.1.0-18-amd64"},
			Initrds: []string{"/boot/initrd.img-6.1.0-18-amd64"},
			Users: []guest.User{
				{"root", 0, 0, "/root", "/bin/bash"}, {"daemon", 1, 1, "/usr/sbin", "/usr/sbin/nologin"},
				{"user", 1000, 1000, "/home/user", "/bin/bash"},
			},
		}, "guest: inspect: etc/passwd: line 4: invalid argument"},
		{"guest/fedora.qed", 0, guest.Info{
			Name: "disk:root", Volume: "disk", Type: guest.Linux, Distro: "fedora", Version: "39", Product: "Fedora Linux 39",
			Arch: "aarch64", Hostname: "station", TimeZone: "America/New_York", PackageFormat: "rpm", PackageManager: "dnf", Users: root,
			Packages: rpmPackages(t),
		}, ""},
		{"guest/alpine.qed", 0, guest.Info{
			Name: "disk", Volume: "disk", Type: guest.Linux, Distro: "alpinelinux", Version: "3.19.1", Product: "Alpine Linux 3.19.1",
			Arch: "mips", Hostname: "small", Init: "busybox", PackageFormat: "apk", PackageManager: "apk", Users: root,
			Packages: []guest.Package{
				{Name: "alpine-baselayout", Version: "3.4.3-r2", Arch: "x86_64"},
				{Name: "musl", Version: "1.2.4_git20230717-r4", Arch: "x86_64"},
			},
		}, ""},
		{"guest/two.qed", 0, guest.Info{
			Name: "p1", Volume: "p1", Type: guest.Linux, Distro: "archlinux", Product: "Arch Linux ", Hostname: "arch", Users: root,
			PackageFormat: "pacman", PackageManager: "pacman",
			Packages: []guest.Package{
				{Name: "bash", Version: "5.2.026-2", Arch: "x86_64"}, {Name: "zlib", Version: "1:1.3.1-1", Arch: "x86_64"},
			},
		}, ""},
		{"guest/two.qed", 1, guest.Info{
			Name: "p2", Volume: "p2", Type: guest.Linux, Distro: "centos", Version: "5.11", Product: "CentOS release 5.11 (Final)",
			Hostname: "old.example", Users: root,
		}, ""},
		{"guest/windows.qed", 0, guest.Info{
			Name: "p1", Volume: "p1", Type: guest.Windows, Distro: "windows", Version: "10.0", Product: "Windows 11 Pro",
			Variant: "Client", Build: "22631.3323", Arch: "x86_64", Hostname: "winbox", TimeZone: "W. Europe Standard Time",
			Packages: []guest.Package{
				{Name: "An Editor (x64)", Version: "8.6.2", Publisher: "Some People"}, {Name: "Altes Programm", Version: "1.0"},
			},
			Users: []guest.User{
				{Name: "Administrator", UID: 500}, {Name: "Someone", UID: 1001, Home: "/Users/Someone"},
				{Name: "domain.user", UID: 1105, Home: "/Users/domain.user"},
			},
			Drives: []guest.Drive{{"C", "p1"}, {"D", "p2"}, {"E", ""}},
		}, ""},
	} {
		t.Run(fmt.Sprint(c.image, c.n), func(t *testing.T) {
			got, err := systems(t, c.image)[c.n].Inspect()
			if err == nil && c.problem != "" || err != nil && err.Error() != c.problem {
				t.Errorf("error %v, want %q", err, c.problem)
			}
			got.Mounts = nil
			if got.PackageFormat == "rpm" {
				slices.SortFunc(got.Packages, func(a, b guest.Package) int { return cmp.Compare(a.Name, b.Name) })
			}
			if got, want := asJSON(t, *got), asJSON(t, c.want); got != want {
				t.Errorf("\n%s\nwant\n%s", got, want)
			}
		})
	}
}

var root = []guest.User{{"root", 0, 0, "/root", "/bin/sh"}}

// rpmPackages are those that rpm lists of the database in fedora.qed, a package
// a line: name, version, architecture, package it was built from.
func rpmPackages(t *testing.T) (list []guest.Package) {
	b, err := os.ReadFile("internal/rpmdb/testdata/list-logged.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		p := guest.Package{Name: f[0], Version: f[1], Arch: f[2]}
		if p.Source, _, _ = strings.Cut(f[3], "-"); p.Source == p.Name {
			p.Source = ""
		}
		list = append(list, p)
	}
	return list
}

// asJSON makes lists that are nil and those that are empty alike.
func asJSON(t *testing.T, info guest.Info) string {
	info.Packages = append([]guest.Package{}, info.Packages...)
	info.Kernels = append([]string{}, info.Kernels...)
	info.Initrds = append([]string{}, info.Initrds...)
	info.Users = append([]guest.User{}, info.Users...)
	info.Mounts = append([]guest.Mount{}, info.Mounts...)
	b, err := json.MarshalIndent(info, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPackagesAreThoseThatDpkgLists(t *testing.T) {
	oracle.Tool(t, "dpkg-query")
	disks := map[string]string{"committed": "../../../testdata/guest/debian.qed"}
	if dir := os.Getenv("QEDFS_DEBIAN_DISK"); dir != "" {
		disks["debootstrap"] = filepath.Join(dir, "debian.qed")
	}
	for name, image := range disks {
		t.Run(name, func(t *testing.T) {
			d, err := imagefs.Open(image, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			found, err := guest.Find(d)
			if err != nil || len(found) != 1 {
				t.Fatal(len(found), err)
			}
			b, err := fs.ReadFile(found[0].Root(), "var/lib/dpkg/status")
			if err != nil {
				t.Fatal(err)
			}
			admin := t.TempDir()
			if err := os.WriteFile(filepath.Join(admin, "status"), b, 0o600); err != nil {
				t.Fatal(err)
			}
			out := oracle.Run(t, "dpkg-query", "--admindir", admin, "-W", "-f",
				"${db:Status-Status} ${Package} ${Version} ${Architecture} ${source:Package}\n")
			var want []string
			for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
				if rest, ok := strings.CutPrefix(line, "installed "); ok {
					want = append(want, rest)
				}
			}
			info, err := found[0].Inspect()
			if err != nil && name != "committed" {
				t.Error(err)
			}
			var got []string
			for _, p := range info.Packages {
				source := p.Source
				if source == "" {
					source = p.Name
				}
				got = append(got, strings.Join([]string{p.Name, p.Version, p.Arch, source}, " "))
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) || len(got) == 0 {
				t.Errorf("%d packages %q, want %d %q", len(got), got, len(want), want)
			}
		})
	}
}

func ExampleSystem_Inspect() {
	disk, err := imagefs.Open("../../../testdata/guest/alpine.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	systems, err := guest.Find(disk)
	if err != nil {
		log.Fatal(err)
	}
	info, err := systems[0].Inspect()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Product, info.Arch)
	for _, p := range info.Packages {
		fmt.Println(p.Name, p.Version)
	}
	// Output:
	// Alpine Linux 3.19.1 mips
	// alpine-baselayout 3.4.3-r2
	// musl 1.2.4_git20230717-r4
}
