package errs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/errs"
)

var (
	errFormat   = errs.New("qedfile", "not a valid image", nil)
	errReadOnly = errs.New("backend", "opened read-only", fs.ErrPermission)
)

func TestMessageLeavesOutPackagesAndOperationsOnly(t *testing.T) {
	for _, tt := range []struct {
		err           error
		text, message string
	}{
		{errFormat, "qedfile: not a valid image", "not a valid image"},
		{errs.Wrap("qedfile", "convert", errFormat), "qedfile: convert: not a valid image", "not a valid image"},
		{errs.Errorf("qedfile", "read at %d: %w", 7, errReadOnly), "qedfile: read at 7: opened read-only", "read at 7: opened read-only"},
		{fmt.Errorf("%w: it is empty", errFormat), "qedfile: not a valid image: it is empty", "not a valid image: it is empty"},
		{
			fmt.Errorf("qedfile: disk.qed: %w", errs.Wrap("qedfile", "check", fmt.Errorf("%w (%w)", errFormat, errReadOnly))),
			"qedfile: disk.qed: qedfile: check: not a valid image (opened read-only)",
			"qedfile: disk.qed: not a valid image (opened read-only)", // the first is a name
		},
		{errors.Join(errFormat, errReadOnly, errFormat), "qedfile: not a valid image\nbackend: opened read-only\nqedfile: not a valid image", "not a valid image\nopened read-only\nnot a valid image"},
		{&fs.PathError{Op: "open", Path: "backend: x", Err: errReadOnly}, "open backend: x: backend: opened read-only", "open backend: x: opened read-only"},
		{errors.New("plain"), "plain", "plain"},
	} {
		if got := tt.err.Error(); got != tt.text {
			t.Errorf("Error() = %q, want %q", got, tt.text)
		}
		if got := errs.Message(tt.err); got != tt.message {
			t.Errorf("Message(%q) = %q, want %q", tt.err, got, tt.message)
		}
	}
}

func TestErrorsMatchWhatTheyMean(t *testing.T) {
	err := errs.Wrap("qedfile", "commit", fmt.Errorf("base: %w", errReadOnly))
	if !errors.Is(err, errReadOnly) || !errors.Is(err, fs.ErrPermission) || errors.Is(err, errFormat) {
		t.Errorf("%v matches the wrong ones", err)
	}
	if errors.Is(errFormat, nil) {
		t.Error("an error matches nil")
	}
	var e *errs.Error
	if !errors.As(err, &e) || e.Package != "qedfile" || e.Op != "commit" {
		t.Errorf("%+v", e)
	}
	if err := errs.Wrap("qedfile", "commit", nil); err != nil {
		t.Errorf("Wrap of nil = %v", err)
	}
}

func TestALongChainTakesNoTime(t *testing.T) {
	err := errFormat
	for range 200 {
		err = errs.Errorf("qedfile", "under: %w", errs.Wrap("qedfile", "open", &fs.PathError{Op: "open", Path: "x", Err: err}))
	}
	if got, want := errs.Message(err), strings.Repeat("under: open x: ", 200)+"not a valid image"; got != want {
		t.Errorf("Message = %.80q ... of %d bytes, want %d", got, len(got), len(want))
	}
}

func ExampleMessage() {
	err := errs.Wrap("qedfile", "convert", fmt.Errorf("%w: the file is empty", errFormat))
	fmt.Println(err)
	fmt.Println(errs.Message(err))
	// Output:
	// qedfile: convert: not a valid image: the file is empty
	// not a valid image: the file is empty
}
