package qedfile_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

func TestADeniedBackingFileNamesTheCallThatAllowsIt(t *testing.T) {
	const name = "../testdata/chain.qed"
	_, err := qedfile.Open(name, nil)
	if !errors.Is(err, qedfile.ErrBackingDenied) || !strings.Contains(err.Error(), `qedfile.OpenChain("../testdata/chain.qed", nil)`) {
		t.Errorf("Open: %v", err)
	}
	refuse := func(qedfile.BackingRef) (qedfile.Disk, error) { return nil, qedfile.ErrBackingDenied }
	if _, err := qedfile.Open(name, &qedfile.Options{Backing: refuse}); err == nil || strings.Contains(err.Error(), "OpenChain") {
		t.Errorf("Open with a policy of one's own: %v", err)
	}
	m, err := qedfile.OpenChain(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Backing() == nil {
		t.Error("OpenChain opens no backing file")
	}
	if _, err := qedfile.OpenChain(name, &qedfile.Options{Backing: refuse}); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("OpenChain with a policy of one's own: %v, want fs.ErrInvalid", err)
	}
}

func TestOptionsAloneSayWhetherAnImageIsWritable(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk.qed")
	if err := os.WriteFile(name, small().bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, opts := range []*qedfile.Options{nil, {}, {Writable: true}} {
		for how, open := range map[string]func() (*qedfile.Image, error){
			"Open":      func() (*qedfile.Image, error) { return qedfile.Open(name, opts) },
			"OpenChain": func() (*qedfile.Image, error) { return qedfile.OpenChain(name, opts) },
			"New":       func() (*qedfile.Image, error) { return qedfile.New(small().storage(), opts) },
		} {
			m, err := open()
			if err != nil {
				t.Fatal(err)
			}
			_, err = m.WriteAt([]byte("x"), 0)
			if want := opts != nil && opts.Writable; (err == nil) != want || err != nil && !errors.Is(err, qedfile.ErrReadOnly) {
				t.Errorf("%s with %+v: writing gives %v", how, opts, err)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestAReaderAtIsReadOnlyAndStaysOpen(t *testing.T) {
	b := small().bytes()
	r := backend.NewMemory(b)
	if _, err := qedfile.NewReader(r, int64(len(b)), writable); !errors.Is(err, qedfile.ErrReadOnly) {
		t.Errorf("for writing: %v, want ErrReadOnly", err)
	}
	m, err := qedfile.NewReader(r, int64(len(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Size(); err != nil {
		t.Errorf("closing the image has closed the reader: %v", err)
	}
	if _, err := qedfile.NewReader(bytes.NewReader(b), -1, nil); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a negative size: %v, want fs.ErrInvalid", err)
	}
	if _, err := qedfile.NewReader(bytes.NewReader(b), int64(len(b))+1<<20, nil); err != nil {
		t.Errorf("a size too large matters only where it is read: %v", err)
	}
}
