package qedfile_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/qedfs/qedfs/qedfile"
)

func TestAPolicyForDirtyImagesIsRefusedWhereNothingIsWritten(t *testing.T) {
	for _, policy := range []qedfile.DirtyPolicy{qedfile.DirtyCheck, qedfile.DirtyKeep} {
		if _, err := small().open(&qedfile.Options{Dirty: policy}); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("policy %d: %v, want fs.ErrInvalid", policy, err)
		}
		small().mustOpen(t, &qedfile.Options{Dirty: policy, Writable: true})
	}
}
