package extract

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNamesThatAHostCannotHold(t *testing.T) {
	for _, c := range []struct {
		name                   string
		linux, darwin, windows bool
	}{
		{"plain", true, true, true},
		{"with space", true, true, true},
		{"", false, false, false},
		{".", false, false, false},
		{"..", false, false, false},
		{"a/b", false, false, false},
		{"a\x00b", false, false, false},
		{"not\xffutf8", true, false, false},
		{`back\slash`, true, true, false},
		{"C:", true, true, false},
		{"file:stream", true, true, false},
		{"new\nline", true, true, false},
		{"dot.", true, true, false},
		{"space ", true, true, false},
		{"con", true, true, false},
		{"NUL.txt", true, true, false},
		{"com1.log", true, true, false},
		{"LPT²", true, true, false},
		{"COM", true, true, true},
		{"com10", true, true, true},
		{"console", true, true, true},
		{"...", true, true, false},
	} {
		for system, want := range map[string]bool{"linux": c.linux, "darwin": c.darwin, "windows": c.windows} {
			if err := checkName(c.name, system); (err == nil) != want || err != nil && !errors.Is(err, ErrName) {
				t.Errorf("%q on %s: %v", c.name, system, err)
			}
		}
	}
}

func TestAPathIsNoLongerThanProgramsCanName(t *testing.T) {
	longest := strings.Repeat("d/", maxPath/2-1) + "f"
	if got, err := hostPath(longest); err != nil || got != filepath.FromSlash(longest) {
		t.Errorf("%d bytes: %d, %v", len(longest), len(got), err)
	}
	if _, err := hostPath(longest + "f"); !errors.Is(err, ErrName) {
		t.Errorf("%d bytes: %v", len(longest)+1, err)
	}
}

func TestNamesThatDifferInCaseCollideWhereTheHostFoldsThem(t *testing.T) {
	c := &copier{folds: true, taken: map[string]string{}}
	for _, step := range []struct {
		name string
		ok   bool
	}{{"a/Makefile", true}, {"a/makefile", false}, {"a/Makefile", true}, {"b/makefile", true}, {"A/Makefile", false}} {
		if err := c.collide(step.name); (err == nil) != step.ok {
			t.Errorf("%s: %v", step.name, err)
		}
	}
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, leftover := range []bool{false, true} { // of a killed run
		if leftover {
			if err := os.WriteFile(filepath.Join(root.Name(), caseProbe), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		folds, err := foldsCase(root)
		if err != nil {
			t.Fatal(err)
		}
		if folds {
			t.Log("this host folds case")
		}
	}
	if list, err := os.ReadDir(root.Name()); len(list) > 0 || err != nil {
		t.Errorf("%v, %v were left behind", list, err)
	}
}
