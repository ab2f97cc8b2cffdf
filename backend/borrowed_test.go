package backend_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
)

func TestBorrowedIsAStorage(t *testing.T) {
	backendtest.TestStorage(t, func(*testing.T) backend.Storage { return backend.Borrowed(backend.NewMemory(nil)) })
	backendtest.TestDecorator(t, backend.Borrowed)
}

func TestClosingWhatIsBorrowedLeavesTheOwnersOpen(t *testing.T) {
	m := backend.NewMemory([]byte("content"))
	s := backend.Borrowed(m)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := backend.PunchHole(s, 0, 4); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("PunchHole after Close: %v, want fs.ErrClosed", err)
	}
	if size, err := m.Size(); size != 7 || err != nil {
		t.Errorf("Size() of the owner's = %d, %v", size, err)
	}
}
