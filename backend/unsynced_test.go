package backend_test

import (
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
)

func TestUnsyncedPassesOnAllButSync(t *testing.T) {
	backendtest.TestStorage(t, func(*testing.T) backend.Storage { return backend.Unsynced(backend.NewMemory(nil)) })
	backendtest.TestDecorator(t, backend.Unsynced)
	disk := backendtest.NewCrash(nil)
	s := backend.Unsynced(disk)
	if _, err := s.WriteAt([]byte("data"), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if n := disk.Synced(disk.Len()); n != 0 {
		t.Errorf("%d events were synced", n)
	}
}
