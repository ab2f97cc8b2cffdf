package main

import (
	"bytes"
	"context"
	"io"
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
func TestShellLinesOfThePapersWork(t *testing.T) {
	for _, paper := range []string{"../../README.md", "README.md"} {
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
	goHere   = regexp.MustCompile(`^go (run|test|install|vet|build|mod) `)
	elsetest = regexp.MustCompile(`^go test( -[a-z]+)* ./\.\.\.|^\.ci/|^eval |^git |^testdata/|^go run \.ci/`) // run by other means
)

// runLine runs one line of a shell in dir; those of the go command, which name
// packages, in a clone. What would not end, or ask another machine, is checked
// for its arguments alone.
func runLine(t *testing.T, dir, line string) {
	t.Helper()
	words := strings.Fields(line)
	switch {
	case elsetest.MatchString(line):
		return
	case words[0] == "qed" && (slices.Contains([]string{"serve", "mount", "nbd"}, words[1]) || strings.Contains(line, "https://")):
		parseLine(t, words[1:])
		return
	case words[0] == "go" && goHere.MatchString(line) && words[1] != "mod":
		clone, err := filepath.Abs("../..")
		if err != nil {
			t.Fatal(err)
		}
		mustRun(t, clone, "sh", "-c", "GOBIN='"+dir+"' "+line)
		return
	}
	for _, command := range strings.Split(line, "|") {
		oracle.Tool(t, strings.Fields(command)[0])
	}
	mustRun(t, dir, "sh", "-c", line)
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
