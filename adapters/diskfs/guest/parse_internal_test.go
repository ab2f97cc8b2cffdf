package guest

import (
	"reflect"
	"testing"
)

func TestValuesAreReadAsAShellDoes(t *testing.T) {
	got := shellValues([]byte("# A=b\nNAME=\"a \\\"b\\\" \\$c\"\nPLAIN=word # comment\n ONE='it\\'\nEMPTY=\nno value\nMIX=a\"b c\"d\nEND=\\"))
	want := map[string]string{"NAME": `a "b" $c`, "PLAIN": "word", "ONE": `it\`, "EMPTY": "", "MIX": "ab cd", "END": `\`}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}

func TestDistributionsAreTheirOldFiles(t *testing.T) {
	for line, want := range map[string]string{
		"Red Hat Enterprise Linux Server release 6.10 (Santiago)": "rhel 6.10",
		"Fedora Core release 4 (Stentz)":                          "fedora 4",
		"Scientific Linux release 7.9 (Nitrogen)":                 "scientificlinux 7.9",
		"Something release X":                                     "redhat-based ",
	} {
		if got := distroIn(line) + " " + versionIn(line); got != want {
			t.Errorf("%s: %s", line, got)
		}
	}
}

func TestMachinesAreReadFromTheirPrograms(t *testing.T) {
	for want, header := range map[string][]byte{
		"x86_64":           {2, 1, 62, 0},
		"i386":             {1, 1, 3, 0},
		"aarch64":          {2, 1, 183, 0},
		"s390x":            {2, 2, 0, 22},
		"ppc64":            {2, 2, 0, 21},
		"ppc64le":          {2, 1, 21, 0},
		"mips64el":         {2, 1, 8, 0},
		"riscv64":          {2, 1, 243, 0},
		"elf machine 4660": {2, 1, 0x34, 0x12},
	} {
		b := append([]byte("\x7fELF"), header[0], header[1])
		b = append(b, make([]byte, 12)...)
		b = append(b, header[2:]...)
		if got, ok := elfArch(b); got != want || !ok {
			t.Errorf("%s: %s", want, got)
		}
	}
	if _, ok := elfArch([]byte("#!/bin/sh\n0123456789abcdef")); ok {
		t.Error("a script has a machine")
	}
}

func TestWhatIsNoPackageIsAnError(t *testing.T) {
	list, err := parseDpkg([]byte("Package: a\nStatus: install ok half-configured\nVersion: 1\nSource: s (2)\n\nVersion: 3\n\nPackage: b\nStatus: purge ok not-installed\n\n\n\nPackage: c\n"))
	if want := []Package{{Name: "a", Version: "1", Source: "s"}}; err == nil || !reflect.DeepEqual(list, want) {
		t.Errorf("%v, %v", list, err)
	}
	list, err = parseDpkgFile([]byte("Package: c\nVersion: 2\nDescription: x\n Version: 5\n"))
	if want := []Package{{Name: "c", Version: "2"}}; err != nil || !reflect.DeepEqual(list, want) {
		t.Errorf("%v, %v", list, err)
	}
	list, err = parseAPK([]byte("V:1\n\nP:p\nV:2\no:origin\n\nP:q\no:q\n"))
	if want := []Package{{Name: "p", Version: "2", Source: "origin"}, {Name: "q"}}; err == nil || !reflect.DeepEqual(list, want) {
		t.Errorf("%v, %v", list, err)
	}
	list, err = parsePacman([]byte("%NAME%\nn\nother\n\n%BASE%\nbase\n"))
	if want := []Package{{Name: "n", Source: "base"}}; err != nil || !reflect.DeepEqual(list, want) {
		t.Errorf("%v, %v", list, err)
	}
	if _, err = parsePacman(nil); err == nil {
		t.Error("a package without a name")
	}
	users, err := parsePasswd([]byte("+::::::\n# c\n\nu:x:1:2::/h:/s\nv:x:a:2::/h:/s\n"))
	if want := []User{{"u", 1, 2, "/h", "/s"}}; err == nil || !reflect.DeepEqual(users, want) {
		t.Errorf("%v, %v", users, err)
	}
}

func FuzzParsers(f *testing.F) {
	for _, s := range []string{
		"Package: a\nStatus: install ok installed\n\nP:a\nV:1\n", "%NAME%\nbash\n\n%VERSION%\n1\n",
		"root:x:0:0:root:/root:/bin/sh\n", "ID=\"a\\\"b\"\nX='\n", "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func([]byte) ([]Package, error){parseDpkg, parseDpkgFile, parseAPK, parsePacman} {
			list, _ := parse(b)
			for _, p := range list {
				if p.Name == "" {
					t.Error("a package without a name")
				}
			}
		}
		users, _ := parsePasswd(b)
		if len(users) > len(b) {
			t.Error("more users than bytes")
		}
		shellValues(b)
		elfArch(b)
	})
}
