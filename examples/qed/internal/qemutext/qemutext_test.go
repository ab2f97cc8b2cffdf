package qemutext_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
)

func TestErrorf(t *testing.T) {
	err := error(qemutext.Errorf("Could not open '%s': %w", "x", fs.ErrNotExist))
	if !errors.Is(err, fs.ErrNotExist) || err.Error() != "Could not open 'x': file does not exist" {
		t.Error(err)
	}
	if err := qemutext.Errorf("Could not").WithHint("Try"); err.Error() != "Could not" || err.Hint != "Try" || err.Unwrap() != nil {
		t.Errorf("%+v", err)
	}
}
