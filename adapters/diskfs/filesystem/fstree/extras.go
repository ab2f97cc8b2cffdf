package fstree

// As returns the reader of a filesystem as T, an interface of what only some
// kinds of filesystem have, and whether this one has it:
//
//	if s, ok := fstree.As[fstree.Streams](fsys); ok {
//		names, err := s.Streams(st.FileID().ID)
//	}
//
// Such an interface identifies a file by its [ID], which is part of [Stat.FileID].
func As[T any](f *FS) (T, bool) {
	t, ok := f.engine.(T)
	return t, ok
}

// Streams is for filesystems whose files have named streams of bytes beside
// their contents, as those of NTFS do. Find it by [As].
type Streams interface {
	// Streams returns the names of a file's streams.
	Streams(id ID) ([]string, error)

	// OpenStream opens one of them; the error wraps [fs.ErrNotExist] if the
	// file has none of that name.
	OpenStream(id ID, name string) (Content, error)
}
