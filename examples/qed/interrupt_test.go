package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// cancelOnWrite interrupts the command when it first prints something.
type cancelOnWrite struct{ cancel context.CancelFunc }

func (w cancelOnWrite) Write(b []byte) (int, error) {
	w.cancel()
	return len(b), nil
}

func TestAnInterruptedCopyLeavesNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("src.raw", bytes.Repeat([]byte("data"), 16<<20), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("old.qed", []byte("what was there"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, dst := range []string{"new.qed", "old.qed"} {
		ctx, cancel := context.WithCancel(t.Context())
		code := run(ctx, []string{"convert", "-p", "-f", "raw", "-O", "qed", "src.raw", dst}, nil, cancelOnWrite{cancel}, io.Discard)
		if code != exitInterrupted {
			t.Errorf("exit code %d, want %d", code, exitInterrupted)
		}
	}
	if b, err := os.ReadFile("old.qed"); err != nil || string(b) != "what was there" {
		t.Errorf("the old file holds %q, %v", b, err)
	}
	entries, err := os.ReadDir(".")
	if err != nil || len(entries) != 2 {
		t.Errorf("the directory holds %v, %v", entries, err)
	}
}

func TestAnInterruptedSessionLeavesASoundImage(t *testing.T) {
	t.Chdir(t.TempDir())
	ours(t, "create", "-q", "disk.qed", "1M")
	ctx, cancel := context.WithCancel(t.Context())
	code := run(ctx, []string{"io", "-c", "write -P 5 0 64k", "-c", "sleep 1000000", "-c", "write -P 6 0 64k", "disk.qed"}, nil, cancelOnWrite{cancel}, io.Discard)
	if code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	if a := ours(t, "io", "-c", "read -q -P 5 0 64k", "disk.qed"); a.code != exitOK {
		t.Error("what was written is lost")
	}
	if a := ours(t, "info", "disk.qed"); strings.Contains(a.out, "cleanly shut down: no") {
		t.Error("the image was not closed")
	}
}

// A running qemu-io stands for a machine that uses the image.
func startQemuIO(t *testing.T, args ...string) {
	cmd := exec.Command(oracle.Tool(t, "qemu-io"), args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	fmt.Fprintln(stdin, "length")
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || !strings.Contains(line, "MiB") {
		t.Fatalf("qemu-io answers %q, %v", line, err)
	}
}

func TestAnImageInUseIsRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	ours(t, "create", "-q", "disk.qed", "1M")
	ours(t, "create", "-q", "other.qed", "1M")
	startQemuIO(t, "disk.qed")
	for _, args := range [][]string{
		{"info", "disk.qed"},
		{"map", "disk.qed"},
		{"check", "disk.qed"},
		{"check", "-r", "all", "disk.qed"},
		{"resize", "disk.qed", "2M"},
		{"convert", "disk.qed", "x.raw"},
		{"convert", "-O", "qed", "other.qed", "disk.qed"},
		{"create", "disk.qed", "1M"},
		{"compact", "other.qed", "disk.qed"},
		{"io", "-c", "length", "disk.qed"},
		{"io", "-c", "open -r disk.qed"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, nil, &stdout, &stderr); code != exitFailed {
			t.Errorf("qed %q: exit code %d", args, code)
		}
		// compact, which qemu has not, says it in its own words.
		if said := stderr.String(); !strings.Contains(said, "disk.qed") || !strings.Contains(said, `"write" lock`) && !strings.Contains(said, "used by another process") {
			t.Errorf("qed %q says %q", args, &stderr)
		}
	}
	ours(t, "create", "-q", "-u", "-b", "disk.qed", "-F", "qed", "over.qed", "1M")
	for _, args := range [][]string{
		{"info", "-U", "disk.qed"},
		{"map", "-U", "disk.qed"},
		{"check", "-U", "disk.qed"},
		{"convert", "-U", "disk.qed", "x.raw"},
		{"convert", "-U", "over.qed", "x.raw"},
		{"io", "-c", "open -rU disk.qed", "-c", "length"},
		{"io", "-U", "-c", "length", "over.qed"},
	} {
		if code := run(t.Context(), args, nil, io.Discard, io.Discard); code != exitOK {
			t.Errorf("qed %q: exit code %d", args, code)
		}
	}
}

func TestAnImageThatIsReadCanBeReadAndNotWritten(t *testing.T) {
	t.Chdir(t.TempDir())
	ours(t, "create", "-q", "disk.qed", "1M")
	startQemuIO(t, "-r", "disk.qed")
	if code := run(t.Context(), []string{"map", "disk.qed"}, nil, io.Discard, io.Discard); code != exitOK {
		t.Errorf("map: exit code %d", code)
	}
	if code := run(t.Context(), []string{"resize", "disk.qed", "2M"}, nil, io.Discard, io.Discard); code != exitFailed {
		t.Errorf("resize: exit code %d", code)
	}
}

func TestADirtyImageIsRepairedBeforeItIsWritten(t *testing.T) {
	t.Chdir(t.TempDir())
	ours(t, "create", "-q", "disk.qed", "1M")
	f, err := os.OpenFile("disk.qed", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{byte(qedfile.FeatureNeedCheck)}, 16); err != nil {
		t.Fatal(err)
	}
	f.Close()
	ours(t, "resize", "disk.qed", "2M")
	if a := ours(t, "info", "disk.qed"); strings.Contains(a.out, "cleanly shut down: no") || !strings.Contains(a.out, "2 MiB") {
		t.Error(a.out)
	}
}
