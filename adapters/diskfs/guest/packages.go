package guest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strconv"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// packages tells how a system is put together, and lists what is installed.
func (in *inspection) packages() {
	switch {
	case in.exists("var/lib/dpkg/status") || in.exists("var/lib/dpkg/status.d"):
		in.format("deb", "apt")
		in.dpkg()
	case in.exists("lib/apk/db/installed"):
		in.format("apk", "apk")
		in.add("lib/apk/db/installed", parseAPK)
	case in.exists("var/lib/pacman/local"):
		in.format("pacman", "pacman")
		in.pacman()
	case in.exists("var/lib/rpm") || in.exists("usr/lib/sysimage/rpm"):
		in.format("rpm", in.rpmManager())
		in.rpm()
	case in.exists("var/db/pkg"):
		in.format("ebuild", "portage")
	case in.exists("var/db/xbps"):
		in.format("xbps", "xbps")
	case in.exists("var/log/packages") || in.exists("var/lib/pkgtools/packages"):
		in.format("pkgtools", "pkgtools")
	}
}

func (in *inspection) format(format, manager string) {
	in.info.PackageFormat, in.info.PackageManager = format, manager
}

// rpmManager is what installs the packages of a system of rpm.
func (in *inspection) rpmManager() string {
	for _, c := range [...]struct{ program, manager string }{
		{"usr/bin/dnf", "dnf"}, {"usr/bin/dnf5", "dnf"}, {"usr/bin/microdnf", "dnf"}, {"usr/bin/zypper", "zypper"},
		{"usr/bin/yum", "yum"}, {"usr/sbin/urpmi", "urpmi"}, {"usr/bin/up2date", "up2date"},
	} {
		if in.exists(c.program) {
			return c.manager
		}
	}
	return ""
}

// add adds the packages of a database.
func (in *inspection) add(name string, parse func([]byte) ([]Package, error)) {
	list, err := parse(in.read(name, maxDB))
	if err == nil && len(in.info.Packages)+len(list) > maxList {
		err = fmt.Errorf("more than %d packages: %w", maxList, fstree.ErrTooLarge)
		list = list[:max(maxList-len(in.info.Packages), 0)]
	}
	in.info.Packages = append(in.info.Packages, list...)
	if err != nil {
		in.failed(fmt.Errorf("%s: %w", name, err))
	}
}

// dpkg reads the database of Debian's packages, and the one that images
// without dpkg have: a file for each package.
func (in *inspection) dpkg() {
	in.add("var/lib/dpkg/status", parseDpkg)
	list, err := in.root.ReadDir("var/lib/dpkg/status.d")
	in.failed(err)
	for _, d := range list {
		if !d.IsDir() && !strings.HasSuffix(d.Name(), ".md5sums") {
			in.add("var/lib/dpkg/status.d/"+d.Name(), parseDpkgFile)
		}
	}
}

// pacman reads Arch's database: a directory for each package.
func (in *inspection) pacman() {
	list, err := in.root.ReadDir("var/lib/pacman/local")
	in.failed(err)
	for _, d := range list {
		if d.IsDir() {
			in.add("var/lib/pacman/local/"+d.Name()+"/desc", parsePacman)
		}
	}
}

// stanzas are the paragraphs of a file of "Key: value" lines. Continued lines
// are left out.
func stanzas(b []byte, separator string) iter.Seq[map[string]string] {
	return func(yield func(map[string]string) bool) {
		fields := make(map[string]string)
		for line := range bytes.Lines(b) {
			l := strings.TrimRight(string(line), " \t\r\n")
			switch key, value, ok := strings.Cut(l, separator); {
			case l == "":
				if len(fields) > 0 && !yield(fields) {
					return
				}
				fields = make(map[string]string)
			case line[0] == ' ' || line[0] == '\t' || !ok:
			default:
				fields[key] = strings.TrimSpace(value)
			}
		}
		if len(fields) > 0 {
			yield(fields)
		}
	}
}

// parseDpkg reads dpkg's status: the packages that are installed, as
// dpkg-query(1) lists them, broken ones too.
func parseDpkg(b []byte) ([]Package, error) { return debianStanzas(b, true) }

// parseDpkgFile reads a file of status.d, whose package is installed.
func parseDpkgFile(b []byte) ([]Package, error) { return debianStanzas(b, false) }

func debianStanzas(b []byte, withStatus bool) (list []Package, err error) {
	for f := range stanzas(b, ":") {
		status := strings.Fields(f["Status"])
		if withStatus && len(status) != 3 || f["Package"] == "" {
			err = errors.New("a paragraph without a package or its status")
			continue
		}
		if withStatus && (status[2] == "not-installed" || status[2] == "config-files") {
			continue
		}
		source, _, _ := strings.Cut(f["Source"], " ")
		list = append(list, Package{Name: f["Package"], Version: f["Version"], Arch: f["Architecture"], Source: source})
	}
	return list, err
}

// parseAPK reads the database of Alpine's packages.
func parseAPK(b []byte) (list []Package, err error) {
	for f := range stanzas(b, ":") {
		if f["P"] == "" {
			err = errors.New("a paragraph without a package")
			continue
		}
		source := f["o"]
		if source == f["P"] {
			source = ""
		}
		list = append(list, Package{Name: f["P"], Version: f["V"], Arch: f["A"], Source: source})
	}
	return list, err
}

// parsePacman reads the description of one package: %KEY% and its values, a
// line each.
func parsePacman(b []byte) ([]Package, error) {
	values := make(map[string]string)
	key := ""
	for line := range bytes.Lines(b) {
		switch l := strings.TrimSpace(string(line)); {
		case len(l) > 2 && l[0] == '%' && l[len(l)-1] == '%':
			key = l
		case l != "" && key != "":
			values[key] = l
			key = "" // the first value counts
		}
	}
	p := Package{Name: values["%NAME%"], Version: values["%VERSION%"], Arch: values["%ARCH%"]}
	if p.Name == "" {
		return nil, errors.New("no name")
	}
	if base := values["%BASE%"]; base != p.Name {
		p.Source = base
	}
	return []Package{p}, nil
}

// parsePasswd reads passwd(5). Lines of NIS (+, -) are no accounts; others that
// are none are an error.
func parsePasswd(b []byte) (users []User, err error) {
	n := 0
	for line := range bytes.Lines(b) {
		n++
		l := strings.TrimRight(string(line), "\r\n")
		if strings.TrimSpace(l) == "" || strings.ContainsRune("#+-", rune(l[0])) {
			continue
		}
		f := strings.Split(l, ":")
		if len(f) < 7 {
			err = fmt.Errorf("line %d: %w", n, fs.ErrInvalid)
			continue
		}
		uid, uidErr := strconv.ParseUint(f[2], 10, 32)
		gid, gidErr := strconv.ParseUint(f[3], 10, 32)
		if uidErr != nil || gidErr != nil {
			err = fmt.Errorf("line %d: %w", n, fs.ErrInvalid)
			continue
		}
		if len(users) == maxList {
			return users, fmt.Errorf("more than %d users: %w", maxList, fstree.ErrTooLarge)
		}
		users = append(users, User{f[0], uint32(uid), uint32(gid), f[5], f[6]})
	}
	return users, err
}
