package qedfile_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

func TestSetBackingWritesWhatQemuWrites(t *testing.T) {
	dir := t.TempDir()
	ours, theirs := filepath.Join(dir, "ours.qed"), filepath.Join(dir, "theirs.qed")
	writeFile(t, filepath.Join(dir, "base.raw"), make([]byte, 1<<20))
	for _, name := range []string{ours, theirs} {
		qemuCreate(t, name, 1<<20, "")
	}
	for _, step := range []struct {
		name   string
		raw    bool
		rebase []string
	}{
		{"base.raw", true, []string{"-b", "base.raw", "-F", "raw"}},
		{"./base.raw", false, []string{"-b", "./base.raw", "-F", "qed"}},
		{"", false, []string{"-b", ""}},
	} {
		oracle.Run(t, "qemu-img", append(append([]string{"rebase", "-u", "-f", "qed"}, step.rebase...), theirs)...)
		m := openForWriting(t, ours)
		if err := m.SetBacking(step.name, step.raw); err != nil {
			t.Fatal(err)
		}
		if got := m.Header().BackingFile; got != step.name {
			t.Errorf("Header has %q", got)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if step.name == "./base.raw" {
			// It is no QED image: only the header is compared.
			compareFiles(t, ours, theirs)
			for _, name := range []string{ours, theirs} {
				oracle.Run(t, "qemu-img", "rebase", "-u", "-f", "qed", "-b", "base.raw", "-F", "raw", name)
			}
			continue
		}
		compareFiles(t, ours, theirs)
	}
}

func compareFiles(t *testing.T, a, b string) {
	t.Helper()
	if x, y := readFile(t, a), readFile(t, b); !bytes.Equal(x, y) {
		t.Errorf("%s and %s differ at byte %d", a, b, firstDifference(x, y))
	}
}

func TestSetBackingRefusesWhatDoesNotFit(t *testing.T) {
	l := small()
	storage := l.storage()
	m, err := qedfile.New(keepOpen{storage}, writable)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, name := range []string{strings.Repeat("n", 1024), "a\x00b"} {
		if err := m.SetBacking(name, true); err == nil {
			t.Errorf("a name of %d bytes was accepted", len(name))
		}
	}
	if err := m.SetBacking(strings.Repeat("n", 1023), true); err != nil {
		t.Error(err)
	}

	l.compat = 1
	m, err = l.open(writable)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.SetBacking("x", true); !errors.Is(err, qedfile.ErrUnsupported) {
		t.Errorf("with compat bits: %v", err)
	}
	if err := m.SetBacking("", false); err != nil {
		t.Errorf("removing with compat bits: %v", err)
	}
}
