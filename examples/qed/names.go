package main

import (
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// showName is a name or path as people see it. Names come from the image, and
// a terminal obeys control characters: a name that holds any, or other
// characters that show nothing or change the direction of writing, is quoted
// in the way of bash, $'...', which can be pasted back.
func showName(name string) string {
	for i := 0; i < len(name); i++ {
		if c := name[i]; c < 0x20 || c >= 0x7f {
			return quoteName(name)
		}
	}
	return name
}

func quoteName(name string) string {
	quoted := strconv.Quote(name)
	body := quoted[1 : len(quoted)-1]
	if strings.ReplaceAll(strings.ReplaceAll(body, `\"`, `"`), `\\`, `\`) == name {
		return name // no more than backslashes and double quotes
	}
	body = strings.ReplaceAll(strings.ReplaceAll(body, `\"`, `"`), `'`, `\'`)
	return "$'" + body + "'"
}

// storedPath returns a path of the tree as it is stored, which is what programs
// want. Where that is not valid UTF-8, which JSON cannot carry, it returns the
// path as it is and the stored bytes in hexadecimal.
func storedPath(shown string) (name, hexBytes string) {
	stored := fstree.UnescapeName(shown)
	if utf8.ValidString(stored) {
		return stored, ""
	}
	return shown, hex.EncodeToString([]byte(stored))
}

// storedTarget is storedPath for the target of a symbolic link, which the tree
// gives as it is stored.
func storedTarget(target string) (name, hexBytes string) {
	if utf8.ValidString(target) {
		return target, ""
	}
	return fstree.EscapeName(target), hex.EncodeToString([]byte(target))
}
