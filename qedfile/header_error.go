package qedfile

import "fmt"

// Fields of a header, as [HeaderError] names them.
const (
	FieldMagic       = "magic"
	FieldClusterSize = "cluster size"
	FieldTableSize   = "table size"
	FieldImageSize   = "image size"
	FieldHeaderSize  = "header size"
	FieldL1Table     = "L1 table offset"
	FieldBackingName = "backing file name"
)

// HeaderError is a field of an image's header that is not valid. It matches
// [ErrFormat].
type HeaderError struct {
	Field string
	Why   string
}

func (e *HeaderError) Error() string { return fmt.Sprintf("%v: %s", ErrFormat, e.Why) }

// Unwrap returns [ErrFormat].
func (e *HeaderError) Unwrap() error { return ErrFormat }

func headerError(field, format string, args ...any) error {
	return &HeaderError{field, fmt.Sprintf(format, args...)}
}
