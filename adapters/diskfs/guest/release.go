package guest

import (
	"bytes"
	"cmp"
	"regexp"
	"strings"
)

// release reads which distribution a system is, from the file of the most
// meaning that is there.
func (in *inspection) release() {
	switch in.info.Type {
	case FreeBSD:
		in.freeBSD()
		return
	case NetBSD, OpenBSD:
		in.otherBSD()
		return
	case DOS:
		in.dos()
		return
	}
	for _, name := range [...]string{"etc/os-release", "usr/lib/os-release"} {
		values := shellValues(in.read(name, maxSmall))
		if values["ID"] == "" {
			continue
		}
		in.info.Distro = distroName(values["ID"])
		if in.info.Distro == "debian" && in.exists("etc/kali_version") {
			in.info.Distro = "kalilinux"
		}
		in.info.Version = values["VERSION_ID"]
		in.info.Product = values["PRETTY_NAME"]
		if in.info.Product == "" {
			in.info.Product = strings.TrimSpace(values["NAME"] + " " + values["VERSION"])
		}
		return
	}
	if in.lsbRelease() {
		return
	}
	in.oldRelease()
}

// lsbRelease reads the file of the Linux Standard Base.
func (in *inspection) lsbRelease() bool {
	values := shellValues(in.read("etc/lsb-release", maxSmall))
	id := strings.ToLower(values["DISTRIB_ID"])
	if id == "" {
		return false
	}
	in.info.Distro = distroName(id)
	in.info.Version = values["DISTRIB_RELEASE"]
	in.info.Product = values["DISTRIB_DESCRIPTION"]
	return true
}

// oldReleases are the files that distributions had before there was a common
// one, those of a derivative before those of what it comes from. product is what
// stands before the version where the file has that alone; without a distro it is
// told from the line.
var oldReleases = [...]struct{ file, distro, product string }{
	{"etc/oracle-release", "oraclelinux", ""},
	{"etc/rocky-release", "rocky", ""},
	{"etc/circle-release", "circle", ""},
	{"etc/centos-release", "centos", ""},
	{"etc/fedora-release", "fedora", ""},
	{"etc/altlinux-release", "altlinux", ""},
	{"etc/mageia-release", "mageia", ""},
	{"etc/openmandriva-release", "openmandriva", ""},
	{"etc/mandriva-release", "mandriva", ""},
	{"etc/neokylin-release", "neokylin", ""},
	{"etc/pld-release", "pldlinux", ""},
	{"etc/redhat-release", "", ""},
	{"etc/pardus-release", "pardus", ""},
	{"etc/debian_version", "debian", "Debian "},
	{"etc/SuSE-release", "", ""},
	{"etc/alpine-release", "alpinelinux", "Alpine Linux "},
	{"etc/arch-release", "archlinux", "Arch Linux"},
	{"etc/gentoo-release", "gentoo", ""},
	{"etc/slackware-version", "slackware", ""},
	{"etc/meego-release", "meego", ""},
	{"etc/frugalware-release", "frugalware", ""},
	{"etc/ttylinux-target", "ttylinux", "ttylinux "},
	{"etc/br-version", "buildroot", "Buildroot "},
	{"etc/cirros/version", "cirros", "CirrOS "},
}

func (in *inspection) oldRelease() {
	for _, c := range oldReleases {
		if !in.exists(c.file) {
			continue
		}
		line := in.line(c.file)
		in.info.Distro, in.info.Product, in.info.Version = c.distro, c.product+line, versionIn(line)
		if c.distro == "" {
			in.info.Distro = distroIn(line)
		}
		return
	}
	in.info.Distro = "unknown"
}

// distroIn is the distribution that a line of a file names which many have.
func distroIn(line string) string {
	for _, c := range [...]struct{ prefix, distro string }{
		{"Fedora", "fedora"}, {"CentOS", "centos"}, {"Scientific Linux", "scientificlinux"},
		{"Rocky", "rocky"}, {"Circle", "circle"}, {"Oracle", "oraclelinux"}, {"Red Hat", "rhel"}, {"Mageia", "mageia"},
		{"Mandriva", "mandriva"}, {"Mandrake", "mandriva"}, {"OpenMandriva", "openmandriva"}, {"ALT", "altlinux"},
		{"NeoKylin", "neokylin"}, {"Kylin", "kylin"}, {"PLD", "pldlinux"}, {"Virtuozzo", "virtuozzo"}, {"openEuler", "openeuler"},
		{"openSUSE", "opensuse"}, {"SUSE Linux Enterprise", "sles"}, {"SuSE", "suse-based"}, {"SUSE", "suse-based"},
	} {
		if strings.HasPrefix(line, c.prefix) {
			return c.distro
		}
	}
	return "redhat-based"
}

var (
	versionNumber = regexp.MustCompile(`[0-9]+(?:\.[0-9]+)+`)
	anyNumber     = regexp.MustCompile(`[0-9]+`)
)

// versionIn is the first number with dots, or else the first at all.
func versionIn(line string) string {
	return cmp.Or(versionNumber.FindString(line), anyNumber.FindString(line))
}

// distroName is libguestfs's name for an ID of os-release or of lsb-release in
// lower case; one that it has no other name for is its own.
func distroName(id string) string {
	id = strings.ToLower(id)
	if strings.HasPrefix(id, "opensuse") {
		return "opensuse"
	}
	switch id {
	case "alpine":
		return "alpinelinux"
	case "alt", "alt linux":
		return "altlinux"
	case "arch":
		return "archlinux"
	case "kali":
		return "kalilinux"
	case "ol", "enterpriseenterpriseserver", "oracleserver":
		return "oraclelinux"
	case "void":
		return "voidlinux"
	case "sled", "sles_sap", "suse linux":
		return "sles"
	case "pld":
		return "pldlinux"
	case "scientific":
		return "scientificlinux"
	case "redhatenterpriseserver":
		return "rhel"
	case "mandrivalinux":
		return "mandriva"
	case "mint":
		return "linuxmint"
	}
	return id
}

// freeBSD reads the version of the programs, which the kernel's follows.
func (in *inspection) freeBSD() {
	in.info.Distro = "freebsd"
	in.info.Product = shellValues(in.read("bin/freebsd-version", maxSmall))["USERLAND_VERSION"]
	if in.info.Product != "" {
		in.info.Product = "FreeBSD " + in.info.Product
	}
	in.info.Version = versionIn(in.info.Product)
}

// otherBSD reads the first line of /etc/release or of /etc/motd.
func (in *inspection) otherBSD() {
	in.info.Distro = string(in.info.Type)
	for _, name := range [...]string{"etc/release", "etc/motd"} {
		line := in.line(name)
		if strings.HasPrefix(strings.ToLower(line), in.info.Distro) {
			in.info.Product, _, _ = strings.Cut(line, " (")
			in.info.Version = versionIn(line)
			return
		}
	}
}

// dos tells the makers of DOS apart.
func (in *inspection) dos() {
	in.info.Distro, in.info.Product = "msdos", "MS-DOS"
	if in.exists(freeDOS) {
		in.info.Distro, in.info.Product = "freedos", "FreeDOS"
	}
}

// shellValues reads a file of KEY=value lines, as os-release(5) describes: a
// value may be in quotes, and a backslash takes the meaning from what follows.
func shellValues(b []byte) map[string]string {
	values := make(map[string]string)
	for line := range bytes.Lines(b) {
		key, value, ok := strings.Cut(strings.TrimSpace(string(line)), "=")
		if ok && key != "" && key[0] != '#' {
			values[key] = shellUnquote(value)
		}
	}
	return values
}

func shellUnquote(s string) string {
	var b strings.Builder
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != '\'' && c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == ' ' || c == '\t'):
			return b.String()
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
