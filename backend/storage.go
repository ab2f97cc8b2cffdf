package backend

// storageOf makes a wrapper's life simple: a reader that cannot be written
// becomes a storage whose changes fail with [ErrReadOnly].
func storageOf(r Reader) Storage {
	if s, ok := r.(Storage); ok {
		return s
	}
	return readOnlyStorage{r}
}

type readOnlyStorage struct{ Reader }

func (readOnlyStorage) WriteAt([]byte, int64) (int, error) { return 0, ErrReadOnly }
func (readOnlyStorage) Truncate(int64) error               { return ErrReadOnly }
func (readOnlyStorage) Sync() error                        { return nil }

// nextData asks r for its holes. All of a reader that does not know them is
// data.
func nextData(r Reader, off int64) (start, end int64, err error) {
	if f, ok := r.(DataFinder); ok {
		return f.NextData(off)
	}
	if err := checkRange("look for data", off, 0); err != nil {
		return 0, 0, err
	}
	size, err := r.Size()
	return min(off, size), size, err
}
