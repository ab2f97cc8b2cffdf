package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// What differs from run to run, or between filesystems.
var varying = []struct{ pattern, instead string }{
	{`(?m)^disk size: .*$`, "disk size: SIZE"},
	{`"actual-size": \d+`, `"actual-size": SIZE`},
	{`completed in .* seconds`, "completed in TIME seconds"},
	{`ops; .*`, "ops; TIME"},
	{`(    \([\d.]+/100%\)\r)+`, "PROGRESS"}, // how often depends on the pieces
}

// steady is output without what varies.
func steady(out string) string {
	for _, v := range varying {
		out = regexp.MustCompile(v.pattern).ReplaceAllString(out, v.instead)
	}
	return out
}

// reply is all that a program answers.
type reply struct {
	stdout, stderr string
	code           int
}

// qemuReply runs one of qemu's tools.
func qemuReply(t *testing.T, tool string, args []string) reply {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(oracle.Tool(t, tool), args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return reply{steady(stdout.String()), steady(stderr.String()), cmd.ProcessState.ExitCode()}
}

// ourReply runs the command in the place of one of them.
func ourReply(t *testing.T, tool string, args []string) reply {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := runAs(t.Context(), programOf("/usr/bin/"+tool), args, strings.NewReader(""), &stdout, &stderr)
	return reply{steady(stdout.String()), steady(stderr.String()), code}
}

// lineImages makes the disks that the command lines are about, in the current
// directory.
func lineImages(t *testing.T) {
	t.Helper()
	img := func(args ...string) { oracle.Run(t, "qemu-img", args...) }
	write := func(name string, commands ...string) {
		args := []string{"-f", "qed"}
		for _, c := range commands {
			args = append(args, "-c", "write -q "+c)
		}
		oracle.Run(t, "qemu-io", append(args, name)...)
	}
	img("create", "-q", "-f", "qed", "base.qed", "1M")
	write("base.qed", "-P 1 0 64k", "-P 2 256k 100k")
	img("convert", "-O", "raw", "base.qed", "base.raw")
	for _, name := range []string{"base2.qed", "other.qed", "big.qed"} {
		size := "1M"
		if name == "big.qed" {
			size = "2M"
		}
		img("create", "-q", "-f", "qed", name, size)
		write(name, "-P 1 0 64k", "-P 3 192k 64k")
	}
	img("create", "-q", "-f", "qed", "-b", "base.qed", "-F", "qed", "over.qed")
	write("over.qed", "-P 4 64k 64k", "-z 256k 64k")
	img("create", "-q", "-f", "qed", "-u", "-b", "gone.qed", "-F", "qed", "orphan.qed", "1M")
	leaky, err := os.ReadFile("base.qed")
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"leaky.qed": append(leaky, bytes.Repeat([]byte{0}, 128<<10)...), "junk": []byte("this is junk\n")} {
		if err := os.WriteFile(name, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("dir", 0o777); err != nil {
		t.Fatal(err)
	}
}

// words splits a line at its spaces, but for those in single quotes.
func words(line string) []string {
	var list []string
	for _, w := range regexp.MustCompile(`'[^']*'|[^ ]+`).FindAllString(strings.TrimSpace(line), -1) {
		list = append(list, strings.Trim(w, "'"))
	}
	return list
}

// shows is what those disks of a directory show to qemu that are not as in
// another.
func shows(t *testing.T, dir, before string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	contents := map[string]string{}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if was, err := os.ReadFile(filepath.Join(before, e.Name())); err == nil {
			if is, err := os.ReadFile(name); err == nil && bytes.Equal(was, is) {
				continue
			}
		}
		info, err := exec.Command("qemu-img", "info", "--output=json", name).Output()
		if err != nil {
			continue
		}
		flat := filepath.Join(t.TempDir(), "flat")
		out, err := exec.Command("qemu-img", "convert", "-O", "raw", name, flat).CombinedOutput()
		contents[e.Name()] = steady(strings.ReplaceAll(string(info), dir, "DIR"))
		if err != nil {
			contents[e.Name()] += strings.ReplaceAll(string(out), dir, "DIR")
			continue
		}
		b, err := os.ReadFile(flat)
		if err != nil {
			t.Fatal(err)
		}
		contents[e.Name()] += string(b)
	}
	return contents
}

func TestInThePlaceOfQemuImg(t *testing.T) { compareLines(t, "qemu-img", "lines.txt") }

func TestInThePlaceOfQemuIO(t *testing.T) { compareLines(t, "qemu-io", "io.txt") }

// compareLines gives the lines of a file to one of qemu's tools and to the
// command in its place. Without CI_LONG it takes some of them.
func compareLines(t *testing.T, tool, file string) {
	t.Helper()
	oracle.Tool(t, tool)
	lines := linesOf(t, file)
	rng := oracle.Seed(t)
	images := t.TempDir()
	t.Chdir(images)
	lineImages(t)
	for line := range strings.Lines(lines) {
		if strings.HasPrefix(line, "#") || !oracle.Long() && rng.IntN(4) > 0 {
			continue
		}
		compareLine(t, images, tool, strings.TrimSpace(line), words(line))
	}
}

// changes reports whether a command line may write.
func changes(args []string) bool {
	switch args[0] {
	case "create", "convert", "resize", "rebase", "commit", "dd":
		return !testing.Short()
	}
	return strings.HasPrefix(args[0], "-") && !testing.Short() // qemu-io
}

func linesOf(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "qemu-img", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
