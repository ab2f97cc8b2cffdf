package errs_test

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/qedfs/qedfs/backend/errs"
)

// A programmer sees which call failed, a user what happened.
func ExampleError() {
	missing := errs.New("store", "no such disk", fs.ErrNotExist)
	err := errs.Wrap("convert", "copy", fmt.Errorf("a.qed: %w", missing))
	fmt.Println(err)
	fmt.Println(errs.Message(err))

	var e *errs.Error
	fmt.Println(errors.As(err, &e), e.Package, errors.Is(err, fs.ErrNotExist))
	// Output:
	// convert: copy: a.qed: no such disk
	// a.qed: no such disk
	// true convert true
}
