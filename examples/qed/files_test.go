package main

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"
)

func TestEachErrorOfADirectoryIsALineWithItsPath(t *testing.T) {
	var stderr bytes.Buffer
	a := &app{stderr: &stderr}
	f := a.newFailures(newLs(a))
	f.fail(&fs.PathError{Op: "readdir", Path: "p1/dir", Err: errors.Join(errors.New("first"), errors.New("second"))})
	f.about = "b.img"
	f.fail(&fs.PathError{Op: "readdir", Path: "p1", Err: errors.New("third")})
	const want = "ls: p1/dir: first\nls: p1/dir: second\nls: b.img: p1: third\n"
	if stderr.String() != want || f.count != 2 {
		t.Errorf("%d failures:\n%s, want 2:\n%s", f.count, &stderr, want)
	}
}
