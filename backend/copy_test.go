package backend_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"testing"

	"github.com/qedfs/qedfs/backend"
)

// copySources opens each kind of source that CopyRange treats differently.
func copySources(t *testing.T, content []byte) map[string]backend.Reader {
	t.Helper()
	file := func(b []byte) *backend.File {
		f, err := open(t, tempFile(t, b), os.O_RDONLY, nil)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	section := func(r io.ReaderAt, off, more int64) backend.Reader {
		s, err := backend.NewSection(r, off, int64(len(content))+more)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	shifted := append([]byte("12345"), content...)
	return map[string]backend.Reader{
		"file":               file(content),
		"mapping":            backend.NewMapped(file(content), nil),
		"memory":             backend.NewMemory(bytes.Clone(content)),
		"borrowed file":      backend.Unsynced(backend.Borrowed(writableFile(t, content))),
		"section of a file":  section(file(shifted), 5, 0),
		"section of section": section(section(file(append([]byte("12"), shifted...)), 2, 5), 5, 0),
		"section of bytes":   section(bytes.NewReader(shifted), 5, 0),
	}
}

func copyTargets(t *testing.T) map[string]backend.Storage {
	t.Helper()
	return map[string]backend.Storage{
		"file":          writableFile(t, nil),
		"borrowed file": backend.Unsynced(backend.Borrowed(writableFile(t, nil))),
		"memory":        backend.NewMemory(nil),
	}
}

func writableFile(t *testing.T, content []byte) *backend.File {
	t.Helper()
	f, err := open(t, tempFile(t, content), os.O_RDWR, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestCopyRangeCopiesBetweenAllKinds(t *testing.T) {
	want := content(3<<20 + 77)
	for from, src := range copySources(t, want) {
		for to, dst := range copyTargets(t) {
			t.Run(from+" to "+to, func(t *testing.T) {
				n := int64(len(want) - 1000)
				if err := backend.CopyRange(t.Context(), dst, 333, src, 1000, n); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, n+333)
				if k, err := dst.ReadAt(got, 0); k != len(got) {
					t.Fatalf("the target has %d bytes, %v", k, err)
				}
				if !bytes.Equal(got[:333], make([]byte, 333)) || !bytes.Equal(got[333:], want[1000:]) {
					t.Error("the target differs")
				}
			})
		}
	}
}

func TestCopyRangeNamesTheShortSource(t *testing.T) {
	for from, src := range copySources(t, content(100_000)) {
		for to, dst := range copyTargets(t) {
			if err := backend.CopyRange(t.Context(), dst, 0, src, 90_000, 10_001); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s to %s: %v, want io.ErrUnexpectedEOF", from, to, err)
			}
		}
	}
}

func TestCopyRangeRefuses(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	name := tempFile(t, content(10_000))
	readOnly, err := open(t, name, os.O_RDONLY, nil)
	if err != nil {
		t.Fatal(err)
	}
	closed, err := open(t, name, os.O_RDONLY, nil)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	returned := backend.Borrowed(writableFile(t, content(10_000)))
	returned.Close()
	for to, dst := range copyTargets(t) {
		if err := backend.CopyRange(ended, dst, 0, readOnly, 0, 10); !errors.Is(err, context.Canceled) {
			t.Errorf("to %s with an ended context: %v", to, err)
		}
		if err := backend.CopyRange(t.Context(), dst, 0, closed, 0, 10); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("to %s from a closed file: %v", to, err)
		}
		if err := backend.CopyRange(t.Context(), dst, 0, returned, 0, 10); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("to %s from a file that was returned: %v", to, err)
		}
		for _, tt := range [][3]int64{{-1, 0, 1}, {0, -1, 1}, {0, 0, -1}, {1 << 62, 0, 1 << 62}} {
			if err := backend.CopyRange(t.Context(), dst, tt[0], readOnly, tt[1], tt[2]); err == nil {
				t.Errorf("to %s with %v: no error", to, tt)
			}
		}
	}
	if err := backend.CopyRange(t.Context(), readOnly, 0, backend.NewMemory(make([]byte, 10)), 0, 10); !errors.Is(err, backend.ErrReadOnly) {
		t.Errorf("to a file opened for reading: %v", err)
	}
}
