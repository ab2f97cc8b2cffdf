package backendtest_test

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
)

// Each broken kind is a memory with one error in it.
type (
	silentShortRead  struct{ *backend.Memory }
	oldBytesInGap    struct{ *backend.Memory }
	growsByNothing   struct{ *backend.Memory }
	wrapsOffset      struct{ *backend.Memory }
	lazyWrite        struct{ *backend.Memory }
	dataIsHole       struct{ *backend.Memory }
	endlessData      struct{ *backend.Memory }
	livesAfterClose  struct{ *backend.Memory }
	wrongSize        struct{ *backend.Memory }
	neverTruncates   struct{ *backend.Memory }
	sharesCallBuffer struct {
		*backend.Memory
		last []byte
		at   int64
	}
)

func (s silentShortRead) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.Memory.ReadAt(p, off)
	if err == io.EOF && n > 0 {
		err = nil
	}
	return n, err
}

func (s oldBytesInGap) WriteAt(p []byte, off int64) (int, error) {
	if size, _ := s.Size(); size < off && off < 1<<20 {
		s.Memory.WriteAt([]byte{0xAA}, off-1)
	}
	return s.Memory.WriteAt(p, off)
}

func (s growsByNothing) WriteAt(p []byte, off int64) (int, error) {
	if size, err := s.Size(); err == nil && len(p) == 0 && size < off && off < 1<<20 {
		s.Truncate(off)
	}
	return s.Memory.WriteAt(p, off)
}

func (s wrapsOffset) WriteAt(p []byte, off int64) (int, error) {
	return s.Memory.WriteAt(p, off&(1<<30-1))
}

func (s lazyWrite) WriteAt(p []byte, off int64) (int, error) {
	n, err := s.Memory.WriteAt(p[:min(len(p), 65_000)], off)
	return n, err
}

func (s dataIsHole) NextData(off int64) (start, end int64, err error) {
	start, end, err = s.Memory.NextData(off)
	return min(start+512, end), end, err
}

func (s endlessData) NextData(off int64) (start, end int64, err error) {
	start, end, err = s.Memory.NextData(off)
	return start, end + 1, err
}

func (s livesAfterClose) Close() error { return nil }

func (s wrongSize) Size() (int64, error) {
	size, err := s.Memory.Size()
	return (size + 511) &^ 511, err
}

func (s neverTruncates) Truncate(size int64) error {
	if now, _ := s.Size(); size < now && size >= 0 {
		return nil
	}
	return s.Memory.Truncate(size)
}

func (s *sharesCallBuffer) WriteAt(p []byte, off int64) (int, error) {
	s.last, s.at = p, off
	return s.Memory.WriteAt(p, off)
}

func (s *sharesCallBuffer) ReadAt(p []byte, off int64) (int, error) {
	s.Memory.WriteAt(s.last, s.at)
	return s.Memory.ReadAt(p, off)
}

var broken = map[string]func(*backend.Memory) backend.Storage{
	"none":             func(m *backend.Memory) backend.Storage { return m },
	"silentShortRead":  func(m *backend.Memory) backend.Storage { return silentShortRead{m} },
	"oldBytesInGap":    func(m *backend.Memory) backend.Storage { return oldBytesInGap{m} },
	"growsByNothing":   func(m *backend.Memory) backend.Storage { return growsByNothing{m} },
	"wrapsOffset":      func(m *backend.Memory) backend.Storage { return wrapsOffset{m} },
	"lazyWrite":        func(m *backend.Memory) backend.Storage { return lazyWrite{m} },
	"dataIsHole":       func(m *backend.Memory) backend.Storage { return dataIsHole{m} },
	"endlessData":      func(m *backend.Memory) backend.Storage { return endlessData{m} },
	"livesAfterClose":  func(m *backend.Memory) backend.Storage { return livesAfterClose{m} },
	"wrongSize":        func(m *backend.Memory) backend.Storage { return wrongSize{m} },
	"neverTruncates":   func(m *backend.Memory) backend.Storage { return neverTruncates{m} },
	"sharesCallBuffer": func(m *backend.Memory) backend.Storage { return &sharesCallBuffer{Memory: m} },
}

const brokenKind = "QEDFS_BROKEN_KIND"

// TestSuiteOnBrokenKind is what TestSuiteFindsEveryError runs in a process of
// its own, where it may fail.
func TestSuiteOnBrokenKind(t *testing.T) {
	kind := os.Getenv(brokenKind)
	if kind == "" {
		t.Skip("run by TestSuiteFindsEveryError")
	}
	backendtest.TestStorage(t, func(*testing.T) backend.Storage { return broken[kind](backend.NewMemory(nil)) })
}

func TestSuiteFindsEveryError(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	for kind := range broken {
		t.Run(kind, func(t *testing.T) {
			cmd := exec.Command(self, "-test.run=^TestSuiteOnBrokenKind$")
			cmd.Env = append(os.Environ(), brokenKind+"="+kind)
			out, err := cmd.CombinedOutput()
			passed := err == nil
			if passed != (kind == "none") || strings.Contains(string(out), "panic:") {
				t.Errorf("the suite says %v:\n%s", err, out)
			}
		})
	}
}
