package fstree_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

func TestFindEntry(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	entries := func(yield func(fstree.Entry, error) bool) {
		_ = yield(fstree.Entry{Name: "README"}, nil) &&
			yield(fstree.Entry{}, first) &&
			yield(fstree.Entry{Name: "Readme"}, nil) &&
			yield(fstree.Entry{}, second) &&
			yield(fstree.Entry{Name: "readme"}, nil)
	}
	for _, test := range []struct {
		name  string
		equal func(a, b string) bool
		want  string
		err   error
	}{
		{"readme", nil, "readme", nil},
		{"readme", strings.EqualFold, "readme", nil},
		{"readMe", strings.EqualFold, "README", nil},
		{"readMe", nil, "", first},
		{"other", strings.EqualFold, "", first},
	} {
		e, err := fstree.FindEntry(entries, test.name, test.equal)
		if e.Name != test.want || err != test.err {
			t.Errorf("FindEntry(%q) = %q, %v, want %q, %v", test.name, e.Name, err, test.want, test.err)
		}
	}
	sound := func(yield func(fstree.Entry, error) bool) { yield(fstree.Entry{Name: "a"}, nil) }
	if _, err := fstree.FindEntry(sound, "b", nil); err != fs.ErrNotExist {
		t.Errorf("a name that is not there gives %v", err)
	}
}
