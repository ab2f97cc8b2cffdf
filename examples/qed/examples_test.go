package main

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func TestEverySubcommandHasExamplesThatWork(t *testing.T) {
	root := newRoot(&app{program: programOf("qed"), stdout: io.Discard, stderr: io.Discard})
	known := 0
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			continue // cobra's own, whose text is its example
		}
		known++
		t.Run(c.Name(), func(t *testing.T) {
			t.Parallel()
			if !c.HasExample() {
				t.Fatal("the help has no example")
			}
			dir := sandbox(t)
			for line := range strings.Lines(c.Example) {
				runLine(t, dir, strings.TrimSpace(line))
			}
		})
	}
	if known != len(examples) {
		t.Errorf("%d examples for %d subcommands", len(examples), known)
	}
}

// What the papers tell people to type is run. Lines of one block share a
// folder.
func TestHelpFitsATerminal(t *testing.T) {
	root := newRoot(&app{program: programOf("qed"), stdout: io.Discard, stderr: io.Discard})
	for _, c := range root.Commands() {
		for line := range strings.Lines(c.Long) {
			if n := len(strings.TrimSpace(line)); n > 80 {
				t.Errorf("%s: a line of %d bytes: %s", c.Name(), n, line)
			}
		}
		if n := len("  completion   " + c.Short); n > 80 {
			t.Errorf("%s: its line in the help of qed has %d bytes", c.Name(), n)
		}
	}
}

func TestShellLinesOfThePapersWork(t *testing.T) {
	for _, paper := range []string{"../../README.md", "README.md", "../../CONTRIBUTING.md"} {
		for i, block := range blocks(t, paper, "console") {
			t.Run(filepath.Base(filepath.Dir(paper))+"/"+filepath.Base(paper), func(t *testing.T) {
				t.Parallel()
				if !strings.Contains(block, "$ ") {
					t.Fatalf("block %d has no command", i)
				}
				dir := sandbox(t)
				for line := range strings.Lines(block) {
					if command, ok := strings.CutPrefix(line, "$ "); ok {
						runLine(t, dir, strings.TrimSpace(command))
					}
				}
			})
		}
	}
}

// TestGoSnippetsOfThePapersCompile wraps each snippet, which is imports and
// statements, into a function.
func TestGoSnippetsOfThePapersCompile(t *testing.T) {
	imports := regexp.MustCompile(`(?s)^import (\([^)]*\)|"[^"]*")\n`)
	for _, block := range blocks(t, "../../README.md", "go") {
		head := imports.FindString(block)
		if head == "" {
			t.Errorf("a snippet does not say what it imports:\n%s", block)
			continue
		}
		t.Run("", func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "snippet.go")
			program := "package main\n" + head + "func main() { if err := run(); err != nil { panic(err) } }\nfunc run() error {\n" + block[len(head):] + "return nil\n}\n"
			if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
				t.Fatal(err)
			}
			mustRun(t, "../..", "go", "vet", file)
		})
	}
}

// The papers name files, sections and tests. All of them are there.
func TestWhatThePapersNameIsThere(t *testing.T) {
	tests := testNames(t)
	link := regexp.MustCompile(`\]\(([^)#:]*)(#[^)]*)?\)`)
	for _, paper := range []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "examples/qed/README.md", "examples/qedbench/README.md"} {
		name := filepath.Join("../..", paper)
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(b), -1) {
			target := name
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(name), m[1])
			}
			text, err := os.ReadFile(target)
			if err != nil {
				t.Errorf("%s: %v", paper, err)
			} else if m[2] != "" && !slices.Contains(anchors(string(text)), m[2]) {
				t.Errorf("%s: %s has no section %s", paper, target, m[2])
			}
		}
		for _, m := range regexp.MustCompile("`((Test|Fuzz)[A-Z]\\w{6,})`").FindAllStringSubmatch(string(b), -1) {
			if !tests[m[1]] {
				t.Errorf("%s: there is no %s", paper, m[1])
			}
		}
	}
}

// anchors are the links to the headings of a Markdown text.
func anchors(text string) []string {
	var list []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		list = append(list, "#"+strings.ReplaceAll(strings.ToLower(m[1]), " ", "-"))
	}
	return list
}

// testNames returns the names of all tests and fuzz targets of the tree.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".go") {
			return err
		}
		b, err := os.ReadFile(name)
		for _, m := range declared.FindAllSubmatch(b, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// blocks returns the fenced blocks of a language in a Markdown file.
func blocks(t *testing.T, name, language string) []string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```").FindAllSubmatch(b, -1) {
		list = append(list, string(m[1]))
	}
	return list
}

// sandbox makes a folder with the images that examples speak of.
func sandbox(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	copied := func(from string, names ...string) {
		b, err := os.ReadFile(filepath.Join("..", "..", "testdata", from))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	copied("gpt.qed", "disk.qed", "copy.qed", "old.qed", "new.qed", "base.qed", "base-2.qed")
	if err := os.Mkdir(filepath.Join(dir, "root"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"convert", "-O", "raw", "disk.qed", "disk.raw"},
		{"convert", "-O", "qcow2", "disk.qed", "disk.qcow2"},
		{"create", "-q", "-b", "base.qed", "-F", "qed", "overlay.qed"},
	} {
		mustRun(t, dir, "qed", args...)
	}
	return dir
}

var (
	elsewhere = regexp.MustCompile(`^\.ci/|^eval `)               // run by continuous integration
	toolchain = regexp.MustCompile(`^go (test|vet|build|fmt) `)   // of which the packages must be there
	ofClone   = regexp.MustCompile(`^go (run|install) `)          // names packages of the clone
	endless   = regexp.MustCompile(`^qed (serve|mount|nbd) |://`) // would not end, or asks another machine
	packages  = regexp.MustCompile(` (\./\S+)`)
)

// runLine runs one line of a shell in dir, as far as a test can.
func runLine(t *testing.T, dir, line string) {
	t.Helper()
	switch {
	case elsewhere.MatchString(line):
	case toolchain.MatchString(line):
		args := []string{"list"}
		for _, m := range packages.FindAllStringSubmatch(line, -1) {
			args = append(args, m[1])
		}
		mustRun(t, "../..", "go", args...)
	case ofClone.MatchString(line):
		mustRun(t, "../..", "sh", "-c", "GOBIN='"+dir+"' "+line)
	case endless.MatchString(line):
		parseLine(t, strings.Fields(line)[1:])
	default:
		for _, command := range strings.Split(line, "|") {
			if name := strings.Fields(command)[0]; !strings.HasPrefix(name, "./") {
				oracle.Tool(t, name)
			}
		}
		mustRun(t, dir, "sh", "-c", line)
	}
}

// parseLine checks the flags and the number of arguments of a line.
func parseLine(t *testing.T, words []string) {
	t.Helper()
	root := newRoot(&app{program: programOf("qed"), stdout: io.Discard, stderr: io.Discard})
	if i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "#") }); i >= 0 {
		words = words[:i]
	}
	cmd, args, err := root.Find(words)
	if err != nil {
		t.Fatal(err)
	}
	called := false
	cmd.RunE = func(*cobra.Command, []string) error { called = true; return nil }
	root.SetArgs(append([]string{cmd.Name()}, args...))
	if err := root.ExecuteContext(context.Background()); err != nil || !called {
		t.Errorf("%q: %v", words, err)
	}
}

func mustRun(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("%s %q: %v\n%s", name, args, err, out.String())
	}
}
