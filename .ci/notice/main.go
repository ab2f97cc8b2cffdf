// Command notice writes the licences of what is linked into the qed command, on
// any platform that is released: NOTICE, which goes with the binaries.
//
//	go run .ci/notice/main.go -check    compare it with NOTICE
//	go run .ci/notice/main.go -update   write NOTICE
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	notice  = "NOTICE"
	command = "./examples/qed"
)

var platforms = []string{"linux", "darwin", "windows", "freebsd"}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "notice:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	text, err := collect()
	if err != nil {
		return err
	}
	switch {
	case slices.Equal(args, []string{"-update"}):
		return os.WriteFile(notice, text, 0o644)
	case slices.Equal(args, []string{"-check"}):
		recorded, err := os.ReadFile(notice)
		if err != nil {
			return err
		}
		if !bytes.Equal(recorded, text) {
			return errors.New("NOTICE is not what is linked now: go run .ci/notice/main.go -update")
		}
		return nil
	}
	return fmt.Errorf("arguments %q: want -check or -update", args)
}

func collect() ([]byte, error) {
	folders := map[string]string{} // of modules
	for _, system := range platforms {
		cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}", command)
		cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("go list for %s: %w", system, err)
		}
		for line := range strings.Lines(string(out)) {
			if path, folder, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
				folders[path] = folder
			}
		}
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	folders["the Go standard library"] = strings.TrimSpace(string(goroot))
	var names []string
	for name := range folders {
		names = append(names, name)
	}
	slices.Sort(names)

	var b bytes.Buffer
	b.WriteString("The qed command is made of this project, whose licence is in LICENSE, and of\nthe following, each under its own licence.\n")
	for _, name := range names {
		texts, err := licences(folders[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 78), name, texts)
	}
	return b.Bytes(), nil
}

// licences returns the text of a module's licence, and of its notice.
func licences(folder string) (string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", err
	}
	var texts []string
	for _, e := range entries {
		stem, _, _ := strings.Cut(strings.ToUpper(e.Name()), ".")
		stem, _, _ = strings.Cut(stem, "-")
		if e.IsDir() || !slices.Contains([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE"}, stem) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return "", err
		}
		plain := strings.ReplaceAll(string(text), "\r\n", "\n")
		var lines []string
		for line := range strings.Lines(plain) {
			lines = append(lines, strings.TrimRight(line, " \t\n"))
		}
		texts = append(texts, strings.Trim(strings.Join(lines, "\n"), "\n"))
	}
	if len(texts) == 0 {
		return "", errors.New("it has no licence: it can't be linked")
	}
	return strings.Join(texts, "\n\n"), nil
}
