// Package qemutext has the form of qemu's messages: they begin with a capital
// letter, may take several lines, each with the name of the program before it,
// and a hint after them without.
package qemutext

import (
	"fmt"
	"strings"
)

// Error is a message in qemu's words.
type Error struct {
	Lines []string // each is printed after the name of the program
	Hint  string   // is printed as it is; "" is none
	// Unended is set where qemu ends no line after the hint.
	Unended bool
	Err     error // what the message is about, or nil
}

// Errorf returns a message of one line. As in [fmt.Errorf] a %w is unwrapped.
func Errorf(format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	e := &Error{Lines: []string{err.Error()}}
	if u, ok := err.(interface{ Unwrap() error }); ok {
		e.Err = u.Unwrap()
	}
	return e
}

// WithHint returns the message with a hint.
func (e *Error) WithHint(hint string) *Error {
	with := *e
	with.Hint = hint
	return &with
}

// Error returns the lines without the hint.
func (e *Error) Error() string { return strings.Join(e.Lines, "; ") }

// Unwrap returns what the message is about.
func (e *Error) Unwrap() error { return e.Err }

// sizeSuffixes ends the messages about a number that is no size.
const sizeSuffixes = "kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes."

// BadSize says that the value of what is no size.
func BadSize(what string) *Error {
	return &Error{Lines: []string{"Invalid " + what + " specified. You may use k, M, G, T, P or E suffixes for", sizeSuffixes}}
}

// BadNumber says that the value of a parameter is no size.
func BadNumber(parameter string) *Error {
	return Errorf("Parameter '%s' expects a non-negative number below 2^64", parameter).WithHint(
		"Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\nand exabytes, respectively.")
}
