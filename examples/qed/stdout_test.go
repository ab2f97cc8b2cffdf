package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fullDisk is where nothing can be written.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestAFailureToPrintIsSaidOnce(t *testing.T) {
	image, err := filepath.Abs(filepath.Join("..", "..", "testdata", "gpt.qed"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	// A map that is longer than what is gathered before it is written.
	ours(t, "create", "-q", "-o", "cluster_size=4k", "pieces.qed", "4M")
	writes := []string{"io"}
	for i := range 200 {
		writes = append(writes, "-c", fmt.Sprintf("write -q %dk 4k", 8*i))
	}
	ours(t, append(writes, "pieces.qed")...)
	for _, args := range [][]string{
		{"info", image},
		{"info", "--output=json", image},
		{"map", "pieces.qed"},
		{"map", "--output=json", "pieces.qed"},
		{"map", "--svg=-", image},
		{"check", image},
		{"check", "--output=json", image},
		{"volumes", image},
		{"volumes", "--output=json", image},
		{"ls", "-R", image},
		{"ls", "-R", "--output=json", image},
		{"cat", image, "p2/etc/os-release", "p2/etc/os-release"},
		{"stat", image, "p2", "p2"},
		{"tree", image},
		{"tar", image},
		{"dump", image, "p2", "-"},
		{"df", image},
		{"du", image},
	} {
		var stderr bytes.Buffer
		code := run(t.Context(), args, nil, fullDisk{}, &stderr)
		if want := "qed: " + args[0] + ": no space left\n"; code != exitFailed || stderr.String() != want {
			t.Errorf("qed %q: exit code %d, %q, want %q", args, code, &stderr, want)
		}
	}
}

// commandsWithoutOutput print nothing on standard output when all is well, or
// cannot end by themselves.
var commandsWithoutOutput = map[string]bool{"amend": true, "dd": true, "help": true, "mount": true, "nbd": true}

// TestNoCommandEndsWellWhoseOutputIsLost runs every subcommand, and the help of
// each, where nothing can be printed.
func TestNoCommandEndsWellWhoseOutputIsLost(t *testing.T) {
	image, err := filepath.Abs(filepath.Join("..", "..", "testdata", "gpt.qed"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	ours(t, "create", "-q", "old.qed", "1M")
	ours(t, "create", "-q", "-b", "old.qed", "-F", "qed", "top.qed")
	full := func(args ...string) {
		t.Helper()
		var stderr bytes.Buffer
		if code := run(t.Context(), args, strings.NewReader("ls\n"), fullDisk{}, &stderr); code == exitOK || !strings.Contains(stderr.String(), "no space left") {
			t.Errorf("qed %q: exit code %d, %q", args, code, &stderr)
		}
	}
	ran := make(map[string]bool)
	for _, args := range [][]string{
		{"bench", "-c", "1", "old.qed"},
		{"cat", image, "p2/etc/hostname"},
		{"check", "old.qed"},
		{"commit", "top.qed"},
		{"compact", "-p", "old.qed", "compact.qed"},
		{"compare", image, image},
		{"completion", "bash"},
		{"convert", "-p", "-O", "raw", "old.qed", "old.raw"},
		{"cp", image, "p2/etc/hostname", "-"},
		{"create", "new.qed", "1M"},
		{"df", image},
		{"diff", image, "old.qed"},
		{"du", image},
		{"dump", image, "p2", "-"},
		{"find", image},
		{"hash", image},
		{"info", image},
		{"inspect", image},
		{"io", "-r", "-c", "length", image},
		{"ls", image},
		{"man"},
		{"map", image},
		{"measure", "-O", "raw", image},
		{"rebase", "-p", "-b", "", "top.qed"},
		{"resize", "old.qed", "2M"},
		{"serve", "--listen", "127.0.0.1:0", image},
		{"shell", image},
		{"stat", image, "p2"},
		{"tar", image},
		{"tree", image},
		{"version"},
		{"volumes", image},
	} {
		ran[args[0]] = true
		full(args...)
	}
	full("--version")
	full("--help")
	full("help", "ls")
	for _, c := range newRoot(&app{}).Commands() {
		full(c.Name(), "--help")
		if !ran[c.Name()] && !commandsWithoutOutput[c.Name()] {
			t.Errorf("%s is not tried", c.Name())
		}
	}
}

func TestNoImageIsStandardInputOrOutput(t *testing.T) {
	image, err := filepath.Abs(filepath.Join("..", "..", "testdata", "gpt.qed"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	ours(t, "create", "-q", "./-", "1M")
	before, err := os.ReadFile("-")
	if err != nil {
		t.Fatal(err)
	}
	tried := make(map[string]bool)
	for _, args := range [][]string{
		{"amend", "-o", "cluster_size=4k", "-"},
		{"bench", "-"},
		{"cat", "-", "disk/f"},
		{"check", "-"},
		{"commit", "-"},
		{"compact", "-", "new.qed"},
		{"compact", "./-", "-"},
		{"compare", "-", image},
		{"compare", image, "-"},
		{"convert", "-O", "raw", "-", "new.raw"},
		{"convert", "-O", "raw", image, "-"},
		{"convert", "-O", "vmdk", image, "-"},
		{"convert", "-n", "-O", "qed", "./-", "-"},
		{"cp", "-", "disk/f", "."},
		{"create", "-", "2M"},
		{"dd", "if=-", "of=new.raw"},
		{"dd", "if=" + image, "of=-"},
		{"df", "-"},
		{"diff", "-", image},
		{"diff", image, "-"},
		{"du", "-"},
		{"dump", "-", "disk", "new.raw"},
		{"find", "-"},
		{"hash", "-", "disk/f"},
		{"info", "-"},
		{"inspect", "-"},
		{"io", "-c", "length", "-"},
		{"ls", "-"},
		{"map", "-"},
		{"measure", "-O", "raw", "-"},
		{"mount", "-", "."},
		{"nbd", "-"},
		{"rebase", "-b", "", "-"},
		{"resize", "-", "2M"},
		{"serve", "-"},
		{"shell", "-"},
		{"stat", "-", "disk"},
		{"tar", "-"},
		{"tree", "-"},
		{"volumes", "-"},
	} {
		tried[args[0]] = true
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
		if code == exitOK || !strings.Contains(stderr.String(), "-: "+errDash.Error()) && !strings.Contains(stderr.String(), "'-': "+errDash.Error()) {
			t.Errorf("qed %q: exit code %d, %q", args, code, &stderr)
		}
	}
	if after, err := os.ReadFile("-"); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the file of this name has changed (%v)", err)
	}
	if list, err := os.ReadDir("."); err != nil || len(list) != 1 {
		t.Errorf("%v (%v)", list, err)
	}
	for _, c := range newRoot(&app{}).Commands() {
		if takesImage := strings.Contains(c.Use, "IMAGE") || strings.Contains(c.Use, "SRC"); takesImage && !tried[c.Name()] {
			t.Errorf("%s is not tried", c.Name())
		}
	}
}
