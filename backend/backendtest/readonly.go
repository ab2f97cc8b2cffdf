package backendtest

import "github.com/qedfs/qedfs/backend"

// storageOf makes a storage of a reader that cannot be written: its changes
// fail with [backend.ErrReadOnly].
func storageOf(r backend.Reader) backend.Storage {
	if s, ok := r.(backend.Storage); ok {
		return s
	}
	return readOnly{r}
}

type readOnly struct{ backend.Reader }

func (readOnly) WriteAt([]byte, int64) (int, error) { return 0, backend.ErrReadOnly }
func (readOnly) Truncate(int64) error               { return backend.ErrReadOnly }
func (readOnly) PunchHole(int64, int64) error       { return backend.ErrReadOnly }
func (readOnly) Sync() error                        { return nil }
