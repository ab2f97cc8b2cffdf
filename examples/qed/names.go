package main

import (
	"encoding/hex"
	"unicode/utf8"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// jsonPath is a path of the tree as programs get it: the form that the command
// takes back, and its stored bytes in hexadecimal where they are others.
func jsonPath(shown string) (name, hexBytes string) {
	if stored := fstree.UnescapeName(shown); stored != shown {
		hexBytes = hex.EncodeToString([]byte(stored))
	}
	return shown, hexBytes
}

// jsonTarget is the target of a symbolic link, which the tree gives as it is
// stored: escaped where JSON cannot represent it, then with its bytes.
func jsonTarget(target string) (name, hexBytes string) {
	if utf8.ValidString(target) {
		return target, ""
	}
	return fstree.EscapeName(target), hex.EncodeToString([]byte(target))
}
