package extract

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// maxPath is how many bytes a path may have (PATH_MAX of Linux). A longer one
// can be made, step by step: but its file has no name that programs could open
// it by, and each step takes a call, which in a tree that goes on downwards add
// up to the square of its depth.
const maxPath = 4096

// hostPath turns a path of the tree into one of the host.
func hostPath(name string) (string, error) {
	elems := strings.Split(fstree.OutwardPath(name), "/")
	for _, elem := range elems {
		if err := checkName(elem, runtime.GOOS); err != nil {
			return "", err
		}
	}
	joined := filepath.Join(elems...)
	if len(joined) >= maxPath {
		return "", fmt.Errorf("%w: a path of %d bytes", ErrName, len(joined))
	}
	return joined, nil
}

// checkName says whether a system can hold a name.
func checkName(name, system string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return ErrName
	}
	if (system == "windows" || system == "darwin") && !utf8.ValidString(name) {
		return fmt.Errorf("%w: not valid UTF-8", ErrName)
	}
	if system != "windows" {
		return nil
	}
	// https://learn.microsoft.com/windows/win32/fileio/naming-a-file
	if strings.ContainsAny(name, `<>:"\|?*`) || strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 }) {
		return fmt.Errorf("%w: it has a character that is reserved", ErrName)
	}
	if strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") {
		return fmt.Errorf("%w: it ends with a dot or a space", ErrName)
	}
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	stem = strings.TrimRight(stem, " ")
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return fmt.Errorf("%w: it is reserved", ErrName)
	}
	if n := len("COM"); len(stem) > n && (stem[:n] == "COM" || stem[:n] == "LPT") && strings.Contains("0123456789¹²³", stem[n:]) {
		return fmt.Errorf("%w: it is reserved", ErrName)
	}
	return nil
}

// caseProbe is the file that foldsCase makes. Its name is one of those that
// unfinished files have ([newfile.Pattern]).
const caseProbe = ".qed-case.partial"

// foldsCase finds out whether a directory takes names for the same that
// differ in case alone. It tries it: systems mix directories of both kinds.
func foldsCase(root *os.Root) (folds bool, err error) {
	for range 100 {
		f, err := root.OpenFile(caseProbe, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil {
			err = f.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrExist) { // a killed run's, or another's of now, serves as well
			return false, errors.Join(err, removeProbe(root))
		}
		_, upper := root.Lstat(strings.ToUpper(caseProbe))
		_, lower := root.Lstat(caseProbe)
		if err := removeProbe(root); err != nil {
			return false, err
		}
		if lower == nil { // nobody has removed it before
			return upper == nil, nil
		}
	}
	return false, errors.New("other runs keep removing " + caseProbe)
}

func removeProbe(root *os.Root) error {
	if err := root.Remove(caseProbe); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// collide returns an error for a name that the host takes for another one of
// the image: one would replace the other.
func (c *copier) collide(name string) error {
	if !c.folds {
		return nil
	}
	folded := strings.ToLower(strings.ToUpper(name))
	if other, ok := c.taken[folded]; ok && other != name {
		return fmt.Errorf("%w beside %q, from which it differs in case alone", ErrName, other)
	}
	c.taken[folded] = name
	return nil
}
