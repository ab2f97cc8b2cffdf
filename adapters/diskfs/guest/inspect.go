package guest

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/qedfs/qedfs/backend/errs"
)

// Info is what a system is. A field that nothing in the guest tells is empty.
type Info struct {
	Name           string    `json:"name"`
	Volume         string    `json:"volume"`
	Type           Family    `json:"type"`
	Distro         string    `json:"distro,omitempty"`  // in libguestfs's words: "debian", "rhel", "opensuse"
	Version        string    `json:"version,omitempty"` // "12", "39"
	Product        string    `json:"product_name,omitempty"`
	Variant        string    `json:"product_variant,omitempty"` // of Windows: "Client", "Server"
	Build          string    `json:"build_id,omitempty"`        // of Windows: "19045.3803"
	Arch           string    `json:"arch,omitempty"`            // in libguestfs's words: "x86_64", "i386", "aarch64"
	Hostname       string    `json:"hostname,omitempty"`
	TimeZone       string    `json:"timezone,omitempty"`
	Init           string    `json:"init,omitempty"`            // "systemd", "openrc", "sysvinit", ...
	PackageFormat  string    `json:"package_format,omitempty"`  // "deb", "rpm", "apk", "pacman", ...
	PackageManager string    `json:"package_manager,omitempty"` // "apt", "dnf", "apk", "pacman", ...
	Packages       []Package `json:"packages"`
	BootLoader     string    `json:"boot_loader,omitempty"` // "grub2", "systemd-boot", "bootmgr", ...
	Kernels        []string  `json:"kernels"`               // paths
	Initrds        []string  `json:"initrds"`               // paths
	Users          []User    `json:"users"`
	Mounts         []Mount   `json:"mounts"`
	Drives         []Drive   `json:"drives,omitempty"` // of Windows
}

// Package is an installed package.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"` // as the package manager prints it, epoch and release included
	Arch    string `json:"arch,omitempty"`
	Source  string `json:"source,omitempty"` // package that it was built from, where that has another name

	Publisher string `json:"publisher,omitempty"` // of a program of Windows
}

// User is an account of /etc/passwd, or one of Windows, whose UID is the last
// number of its security identifier and which has a home once it was used.
type User struct {
	Name  string `json:"name"`
	UID   uint32 `json:"uid"`
	GID   uint32 `json:"gid"`
	Home  string `json:"home"`
	Shell string `json:"shell"`
}

// What is read of a guest's files.
const (
	maxSmall    = 1 << 20   // bytes of a file of settings
	maxDB       = 256 << 20 // bytes of a package database
	maxList     = 1 << 18   // entries of a list
	maxProblems = 256       // errors of one system
)

// Inspect reads what the system is from its files: its release, packages,
// kernels and users. Nothing is executed. What cannot be read, or is not
// understood, is the error, beside all the rest; a file that is not there is
// none.
func (s *System) Inspect() (*Info, error) {
	in := &inspection{root: s.root, info: &Info{
		Name: s.Name, Volume: s.Volume, Type: s.Family,
		Packages: []Package{}, Kernels: []string{}, Initrds: []string{}, Users: []User{}, Mounts: []Mount{},
	}}
	in.info.Mounts = append(in.info.Mounts, s.mounts...)
	switch s.Family {
	case Unknown:
	case Windows:
		in.windows(s.volumes)
		in.windowsLoader(s.volumes)
	case DOS:
		in.release()
	default:
		in.release()
		in.host()
		in.architecture()
		in.init()
		in.packages()
		in.bootLoader()
		in.kernels()
		in.users()
	}
	return in.info, errs.Wrap("guest", "inspect", errors.Join(in.problems...))
}

// inspection is one run of Inspect.
type inspection struct {
	root     *Root
	info     *Info
	problems []error
	reading  string // the hive of Windows
}

// failed remembers why something could not be read, unless it is not there.
func (in *inspection) failed(err error) {
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return
	}
	if len(in.problems) < maxProblems {
		in.problems = append(in.problems, err)
	}
}

// read returns a file's contents, nothing where there is no such file.
func (in *inspection) read(name string, limit int64) []byte {
	b, err := readSmall(in.root, name, limit)
	if err != nil {
		in.failed(err)
		return nil
	}
	return b
}

// exists reports whether there is a file.
func (in *inspection) exists(name string) bool {
	_, err := in.root.Stat(name)
	in.failed(err)
	return err == nil
}

// line returns the first line of a file that is not empty or a comment.
func (in *inspection) line(name string) string {
	for l := range bytes.Lines(in.read(name, maxSmall)) {
		if l := strings.TrimSpace(string(l)); l != "" && l[0] != '#' {
			return l
		}
	}
	return ""
}

// host reads what the machine is called and where it stands.
func (in *inspection) host() {
	in.info.Hostname = in.line("etc/hostname")
	for _, c := range [...]struct{ file, key string }{
		{"etc/sysconfig/network", "HOSTNAME"}, {"etc/conf.d/hostname", "hostname"}, {"etc/rc.conf", "hostname"},
	} {
		if in.info.Hostname == "" {
			in.info.Hostname = shellValues(in.read(c.file, maxSmall))[c.key]
		}
	}
	for _, file := range [...]string{"etc/HOSTNAME", "etc/nodename", "etc/myname"} { // SUSE, Solaris, OpenBSD
		if in.info.Hostname == "" {
			in.info.Hostname = in.line(file)
		}
	}
	in.info.TimeZone = in.line("etc/timezone")
	if in.info.TimeZone == "" {
		in.info.TimeZone = in.line("var/db/zoneinfo") // FreeBSD
	}
	if in.info.TimeZone == "" {
		target, err := in.root.ReadLink("etc/localtime")
		if err != nil && !errors.Is(err, fs.ErrInvalid) {
			in.failed(err)
		}
		if _, zone, ok := strings.Cut(path.Clean(target), "zoneinfo/"); ok {
			in.info.TimeZone = zone
		}
	}
	if in.info.TimeZone == "" {
		in.info.TimeZone = shellValues(in.read("etc/sysconfig/clock", maxSmall))["ZONE"]
	}
}

// machineName is what libguestfs calls a machine of ELF.
func machineName(machine elf.Machine, class elf.Class, order elf.Data) string {
	little := order == elf.ELFDATA2LSB
	switch machine {
	case elf.EM_386:
		return "i386"
	case elf.EM_X86_64:
		return "x86_64"
	case elf.EM_AARCH64:
		return "aarch64"
	case elf.EM_ARM:
		return "arm"
	case elf.EM_S390:
		if class == elf.ELFCLASS64 {
			return "s390x"
		}
		return "s390"
	case elf.EM_PPC:
		return "ppc"
	case elf.EM_PPC64:
		if little {
			return "ppc64le"
		}
		return "ppc64"
	case elf.EM_SPARC, elf.EM_SPARC32PLUS:
		return "sparc"
	case elf.EM_SPARCV9:
		return "sparc64"
	case elf.EM_IA_64:
		return "ia64"
	case elf.EM_MIPS:
		name := "mips"
		if class == elf.ELFCLASS64 {
			name = "mips64"
		}
		if little {
			name += "el"
		}
		return name
	case elf.EM_LOONGARCH:
		return "loongarch64"
	case elf.EM_RISCV:
		if class == elf.ELFCLASS64 {
			return "riscv64"
		}
		return "riscv32"
	}
	return fmt.Sprintf("elf machine %d", machine)
}

// architecture is that of a program that every system has.
func (in *inspection) architecture() {
	for _, name := range [...]string{"bin/sh", "bin/bash", "bin/ls", "bin/echo", "bin/rm", "usr/bin/sh", "sbin/init"} {
		f, err := in.root.Open(name)
		if err != nil {
			in.failed(err)
			continue
		}
		header := make([]byte, 20)
		_, err = io.ReadFull(f, header)
		_ = f.Close()
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF && !errors.Is(err, fs.ErrInvalid) {
			in.failed(err)
		}
		if arch, ok := elfArch(header); ok && err == nil {
			in.info.Arch = arch
			return
		}
	}
}

// elfArch reads the machine from the begin of an ELF file.
func elfArch(b []byte) (string, bool) {
	if len(b) < 20 || string(b[:4]) != elf.ELFMAG {
		return "", false
	}
	class, order := elf.Class(b[elf.EI_CLASS]), elf.Data(b[elf.EI_DATA])
	machine := uint16(b[18]) | uint16(b[19])<<8
	if order == elf.ELFDATA2MSB {
		machine = uint16(b[19]) | uint16(b[18])<<8
	}
	return machineName(elf.Machine(machine), class, order), true
}

// init tells the init system from the program that is started first.
func (in *inspection) init() {
	target, err := in.root.ReadLink("sbin/init")
	if err != nil && !errors.Is(err, fs.ErrInvalid) {
		in.failed(err)
	}
	switch base := path.Base(target); {
	case base == "systemd":
		in.info.Init = "systemd"
	case strings.HasPrefix(base, "runit"):
		in.info.Init = "runit"
	case strings.HasPrefix(base, "dinit"), strings.HasPrefix(base, "finit"), strings.HasPrefix(base, "s6-"):
		in.info.Init = strings.TrimRight(strings.TrimSuffix(base, "svscan"), "-")
	case in.exists("sbin/openrc") || in.exists("sbin/openrc-run") || in.exists("usr/bin/openrc"):
		in.info.Init = "openrc"
	case base == "busybox":
		in.info.Init = "busybox"
	case in.exists("usr/lib/systemd/systemd") || in.exists("lib/systemd/systemd"):
		in.info.Init = "systemd"
	case in.exists("sbin/upstart") || in.exists("etc/init/rc.conf"):
		in.info.Init = "upstart"
	case in.exists("etc/inittab"):
		in.info.Init = "sysvinit"
	}
}

// users reads the accounts.
func (in *inspection) users() {
	users, err := parsePasswd(in.read("etc/passwd", maxDB))
	in.info.Users = append(in.info.Users, users...)
	if err != nil {
		in.failed(fmt.Errorf("etc/passwd: %w", err))
	}
}
