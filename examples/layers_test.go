package examples_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/qedfs/qedfs"

// layers gives, for each part of the library, what its code may import
// besides the standard library and itself. A part imports only what stands to
// the left of it: backend, qedfile, adapters. Tests and examples are users of
// the library and may import anything.
var layers = []struct {
	dir  string
	from []string
}{
	{"backend", []string{"golang.org/x/sys", "golang.org/x/sync"}},
	{"qedfile", []string{"golang.org/x/sys", "golang.org/x/sync", module + "/backend"}},
	{"adapters/diskfs/filesystem/fstree", []string{"golang.org/x/sync"}},
	{"adapters/diskfs/filesystem", []string{
		module + "/adapters/diskfs/filesystem", "golang.org/x/text", "golang.org/x/sync",
		"github.com/diskfs/go-diskfs", "github.com/erofs/go-erofs", "github.com/klauspost/compress", "github.com/anchore/go-lzo", "github.com/cespare/xxhash", "golang.org/x/crypto",
		"github.com/pierrec/lz4", "github.com/ulikunitz/xz",
	}},
	{"adapters/diskfs", []string{
		module + "/backend", module + "/qedfile", module + "/adapters/diskfs", "golang.org/x/sync", "golang.org/x/sys",
		"github.com/diskfs/go-diskfs",
	}},
	{"adapters/afero", []string{module + "/adapters/diskfs", "github.com/spf13/afero"}},
}

func TestLayersImportOnlyWhatStandsToTheirLeft(t *testing.T) {
	root := ".."
	checked := map[string]int{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, name)
		rel = filepath.ToSlash(rel)
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != root || d.Name() == "testdata" || rel == "examples") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(rel, ".go") || testSupport(rel) {
			return nil
		}
		for _, l := range layers {
			if rel == l.dir || strings.HasPrefix(rel, l.dir+"/") {
				checked[l.dir]++
				checkImports(t, name, path.Join(module, l.dir), l.from)
				return nil
			}
		}
		t.Errorf("%s belongs to no layer", rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		if checked[l.dir] == 0 {
			t.Errorf("no code found in %s: the test looks in the wrong place", l.dir)
		}
	}
}

// testSupport reports whether a file is a test or one of the packages that
// only tests import.
func testSupport(rel string) bool {
	for _, p := range []string{"backend/backendtest/", "adapters/diskfs/filesystem/fstree/fstreetest/"} {
		if strings.HasPrefix(rel, p) {
			return true
		}
	}
	return strings.HasSuffix(rel, "_test.go")
}

func checkImports(t *testing.T, name, self string, allowed []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
imports:
	for _, spec := range f.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
			continue // standard library
		}
		for _, a := range append([]string{self}, allowed...) {
			if imported == a || strings.HasPrefix(imported, a+"/") {
				continue imports
			}
		}
		t.Errorf("%s imports %s", name, imported)
	}
}

func TestTopLevelNamesAreTheFixedOnes(t *testing.T) {
	fixed := " go.mod go.sum backend qedfile adapters examples testdata README.md CHANGELOG.md LICENSE "
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !strings.Contains(fixed, " "+e.Name()+" ") {
			t.Errorf("%s is not one of the names of the top level", e.Name())
		}
	}
}
