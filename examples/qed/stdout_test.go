package main

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
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
