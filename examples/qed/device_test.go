package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func TestARawCopyCanGoToADevice(t *testing.T) {
	oracle.Root(t)
	t.Chdir(t.TempDir())
	ours(t, "create", "-q", "disk.qed", "4M")
	ours(t, "io", "-c", "write -q -P 5 1M 100k", "disk.qed")
	if err := os.WriteFile("target", []byte(strings.Repeat("old!", 2<<20)), 0o666); err != nil {
		t.Fatal(err)
	}
	target, err := filepath.Abs("target")
	if err != nil {
		t.Fatal(err)
	}
	device := strings.TrimSpace(oracle.Run(t, "losetup", "--show", "-f", target))
	t.Cleanup(func() { oracle.Run(t, "losetup", "-d", device) })
	ours(t, "convert", "disk.qed", device)
	agree(t, "compare", "-F", "raw", "disk.qed", device)
	if b, err := os.ReadFile(device); err != nil || string(b[4<<20:4<<20+8]) != "old!old!" {
		t.Errorf("what lies beyond the copy has changed: %v", err)
	}

	ours(t, "create", "-q", "large.qed", "16M")
	var stderr strings.Builder
	if code := run(t.Context(), []string{"convert", "large.qed", device}, nil, &stderr, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "are needed") {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
}
