package guest

import (
	"bytes"
	"regexp"
	"strings"
)

// release reads which distribution a system is, from the file of the most
// meaning that is there.
func (in *inspection) release() {
	for _, name := range [...]string{"etc/os-release", "usr/lib/os-release"} {
		values := shellValues(in.read(name, maxSmall))
		if values["ID"] == "" {
			continue
		}
		in.info.Distro = distroName(values["ID"], in)
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
	in.info.Distro = distroName(id, in)
	in.info.Version = values["DISTRIB_RELEASE"]
	in.info.Product = values["DISTRIB_DESCRIPTION"]
	return true
}

// oldRelease reads the files that distributions had before there was a common
// one.
func (in *inspection) oldRelease() {
	for _, c := range [...]struct{ file, distro string }{
		{"etc/oracle-release", "oraclelinux"},
		{"etc/centos-release", "centos"},
		{"etc/rocky-release", "rocky"},
		{"etc/fedora-release", "fedora"},
		{"etc/redhat-release", ""},
		{"etc/SuSE-release", "suse-based"},
		{"etc/alpine-release", "alpinelinux"},
		{"etc/arch-release", "archlinux"},
		{"etc/gentoo-release", "gentoo"},
		{"etc/slackware-version", "slackware"},
		{"etc/mandriva-release", "mandriva"},
		{"etc/mageia-release", "mageia"},
		{"etc/pld-release", "pldlinux"},
		{"etc/frugalware-release", "frugalware"},
		{"etc/cirros/version", "cirros"},
		{"etc/debian_version", "debian"},
	} {
		if !in.exists(c.file) {
			continue
		}
		line := in.line(c.file)
		in.info.Distro, in.info.Product = c.distro, line
		if c.distro == "" {
			in.info.Distro = redhatName(line)
		}
		in.info.Version = versionIn(line)
		switch c.distro {
		case "debian", "alpinelinux", "cirros":
			in.info.Product = map[string]string{"debian": "Debian ", "alpinelinux": "Alpine Linux ", "cirros": "CirrOS "}[c.distro] + line
		case "archlinux":
			in.info.Product = "Arch Linux"
		}
		return
	}
}

// redhatName is the distribution that a line of redhat-release names.
func redhatName(line string) string {
	for _, c := range [...]struct{ prefix, distro string }{
		{"Fedora", "fedora"}, {"CentOS", "centos"}, {"Scientific Linux", "scientificlinux"},
		{"Rocky", "rocky"}, {"Oracle", "oraclelinux"}, {"Red Hat Enterprise", "rhel"}, {"Mageia", "mageia"},
	} {
		if strings.HasPrefix(line, c.prefix) {
			return c.distro
		}
	}
	return "redhat-based"
}

var versionNumber = regexp.MustCompile(`[0-9]+(?:\.[0-9]+)*`)

func versionIn(line string) string { return versionNumber.FindString(line) }

// distroName is libguestfs's name for an ID of os-release; one that it has no
// other name for is its own.
func distroName(id string, in *inspection) string {
	switch id {
	case "alpine":
		return "alpinelinux"
	case "altlinux":
		return "altlinux"
	case "arch":
		return "archlinux"
	case "debian":
		if in.exists("etc/kali_version") {
			return "kalilinux"
		}
	case "kali":
		return "kalilinux"
	case "ol":
		return "oraclelinux"
	case "void":
		return "voidlinux"
	case "opensuse-leap", "opensuse-tumbleweed", "opensuse-microos":
		return "opensuse"
	case "sled":
		return "sles"
	case "sles_sap":
		return "sles"
	case "pld":
		return "pldlinux"
	case "scientific":
		return "scientificlinux"
	case "virtuozzo":
		return "virtuozzo"
	case "linuxmint":
		return "linuxmint"
	}
	return id
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
