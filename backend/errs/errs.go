package errs

import (
	"fmt"
	"io/fs"
	"strings"
)

// Error is an error with the package that it comes from.
type Error struct {
	Package string // "qedfile"
	Op      string // the exported function that failed, as in "convert"; "" where that adds nothing
	Err     error  // what happened

	// message is what Err says, put together once: each error of a long
	// chain is looked at by all those above it.
	message string
}

func newError(pkg, op string, err error) *Error {
	return &Error{Package: pkg, Op: op, Err: err, message: Message(err)}
}

func (e *Error) Error() string {
	prefix := e.Package + ": "
	if e.Op != "" {
		prefix += e.Op + ": "
	}
	return prefix + e.Message()
}

// Unwrap returns what happened.
func (e *Error) Unwrap() error { return e.Err }

// Message is the error without the package and the operation.
func (e *Error) Message() string {
	if e.message == "" {
		return Message(e.Err) // not made by this package
	}
	return e.message
}

// Errorf is [fmt.Errorf] for an error of a package.
func Errorf(pkg, format string, args ...any) error {
	return newError(pkg, "", fmt.Errorf(format, args...))
}

// Invalidf is an error of a package that matches [fs.ErrInvalid], for arguments
// that have no meaning.
func Invalidf(pkg, format string, args ...any) error {
	return New(pkg, fmt.Sprintf(format, args...), fs.ErrInvalid)
}

// Wrap says which operation of a package an error ended. It returns nil for
// nil.
func Wrap(pkg, op string, err error) error {
	if err == nil {
		return nil
	}
	return newError(pkg, op, err)
}

// New returns an error for a caller to test for with [errors.Is]. It matches the
// standard error too that means the same, unless that is nil.
func New(pkg, text string, standard error) error { return &sentinel{pkg, text, standard} }

type sentinel struct {
	pkg, text string
	standard  error
}

func (e *sentinel) Error() string        { return e.pkg + ": " + e.text }
func (e *sentinel) Message() string      { return e.text }
func (e *sentinel) Is(target error) bool { return e.standard != nil && target == e.standard }

// Message returns the text of an error without the packages and operations of
// the errors of this package in its chain. An error of another type takes part
// by a method Message() string.
func Message(err error) string {
	if m, ok := err.(interface{ Message() string }); ok {
		return m.Message()
	}
	var wrapped []error
	switch err := err.(type) {
	case interface{ Unwrap() error }:
		if inner := err.Unwrap(); inner != nil {
			wrapped = []error{inner}
		}
	case interface{ Unwrap() []error }:
		wrapped = err.Unwrap()
	}
	// The text of an error that wraps others holds theirs, in their order.
	text := err.Error()
	var b strings.Builder
	for _, inner := range wrapped {
		before, after, found := strings.Cut(text, inner.Error())
		if found {
			b.WriteString(before)
			b.WriteString(Message(inner))
			text = after
		}
	}
	b.WriteString(text)
	return b.String()
}
