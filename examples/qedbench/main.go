package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// bench is one run of the program.
type bench struct {
	dir  string // images lie here and are kept for the next run
	qed  string // the command, built from this tree
	runs int
	only *regexp.Regexp // the names of the groups that are measured
}

func main() {
	dir := flag.String("dir", filepath.Join(os.TempDir(), "qedbench"), "where the images are made and kept")
	runs := flag.Int("runs", leastRuns, "how often each side is measured")
	only := flag.String("run", "", "only the rows whose name matches this `regexp`")
	groups := flag.String("groups", "", "only the groups of rows whose name matches this `regexp`: "+groupNames())
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: qedbench [flags] table|plots")
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := run(*dir, *runs, *only, *groups, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "qedbench:", err)
		os.Exit(1)
	}
}

func run(dir string, runs int, only, groups, what string) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	inGroups, err := regexp.Compile(groups)
	if err != nil {
		return err
	}
	b := &bench{dir: dir, qed: filepath.Join(dir, "qed"), runs: runs, only: inGroups}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	build := exec.Command("go", "build", "-C", "../..", "-o", b.qed, "./examples/qed") // another module
	// As it is released: without the system's C library, whose start takes a
	// fifth of what "info" does.
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build qed: %w", err)
	}
	switch what {
	case "table":
		return b.table(match)
	case "plots":
		return b.plots(match)
	}
	return errors.New("say what to do: table or plots")
}

// groupNames are the names of all groups.
func groupNames() string {
	var names []string
	for _, g := range new(bench).groups() {
		names = append(names, g.name)
	}
	for _, g := range new(bench).countGroups() {
		names = append(names, g.name)
	}
	return strings.Join(names, ", ")
}
