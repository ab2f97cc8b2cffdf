// Package unixmode writes types and permissions of files as Unix tools do.
package unixmode

import "io/fs"

// Letter is a file's type as find's -type has it.
func Letter(m fs.FileMode) string {
	switch m.Type() {
	case 0:
		return "f"
	case fs.ModeDir:
		return "d"
	case fs.ModeSymlink:
		return "l"
	case fs.ModeDevice | fs.ModeCharDevice:
		return "c"
	case fs.ModeDevice:
		return "b"
	case fs.ModeNamedPipe:
		return "p"
	case fs.ModeSocket:
		return "s"
	}
	return "?"
}

// String is the first column of ls -l.
func String(m fs.FileMode) string {
	b := []byte("?rwxrwxrwx")
	if t := Letter(m); t == "f" {
		b[0] = '-'
	} else {
		b[0] = t[0]
	}
	for i := range 9 {
		if m&(1<<(8-i)) == 0 {
			b[1+i] = '-'
		}
	}
	special := func(bit fs.FileMode, at int, executable, plain byte) {
		if m&bit == 0 {
			return
		}
		if b[at] == 'x' {
			b[at] = executable
		} else {
			b[at] = plain
		}
	}
	special(fs.ModeSetuid, 3, 's', 'S')
	special(fs.ModeSetgid, 6, 's', 'S')
	special(fs.ModeSticky, 9, 't', 'T')
	return string(b)
}
