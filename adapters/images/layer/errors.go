package layer

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/qedfs/qedfs/qedfile"
)

// ErrNoSnapshot is returned when an image has no internal snapshot of a name.
// It matches [fs.ErrNotExist].
var ErrNoSnapshot error = noSnapshot{}

type noSnapshot struct{}

func (noSnapshot) Error() string        { return "there is no such snapshot" }
func (noSnapshot) Is(target error) bool { return target == fs.ErrNotExist }

// An Error says what is wrong with an image of a format. It matches one of
// [qedfile.ErrFormat], [qedfile.ErrCorrupt] and [qedfile.ErrUnsupported], the
// last of them [errors.ErrUnsupported] as well.
type Error struct {
	Format string // by qemu's name
	Kind   error  // which of the three
	Why    error
}

func (e *Error) Error() string {
	what := "unsupported"
	switch e.Kind {
	case qedfile.ErrFormat:
		what = "not a valid image"
	case qedfile.ErrCorrupt:
		what = "corrupt image"
	}
	return fmt.Sprintf("%s: %s: %v", e.Format, what, e.Why)
}

// Unwrap returns what the error matches.
func (e *Error) Unwrap() []error {
	if e.Kind == qedfile.ErrUnsupported {
		return []error{e.Kind, errors.ErrUnsupported, e.Why}
	}
	return []error{e.Kind, e.Why}
}

// Invalid is the error for a file whose header breaks the format's rules. The
// arguments are those of [fmt.Errorf].
func Invalid(format, why string, args ...any) error {
	return &Error{format, qedfile.ErrFormat, fmt.Errorf(why, args...)}
}

// Corrupt is the error for a part of an image that breaks the format's rules.
func Corrupt(format, why string, args ...any) error {
	return &Error{format, qedfile.ErrCorrupt, fmt.Errorf(why, args...)}
}

// Unsupported is the error for an image that needs what its reader lacks.
func Unsupported(format, why string, args ...any) error {
	return &Error{format, qedfile.ErrUnsupported, fmt.Errorf(why, args...)}
}
