package backend_test

import (
	"errors"
	"io"
	"testing"

	"github.com/qedfs/qedfs/backend"
)

// answer is a reader that gives always the same.
type answer struct {
	n   int
	err error
}

func (a answer) ReadAt([]byte, int64) (int, error) { return a.n, a.err }

func TestReadFull(t *testing.T) {
	other := errors.New("other")
	for _, test := range []struct {
		gives, want answer
	}{
		{answer{4, nil}, answer{4, nil}},
		{answer{4, io.EOF}, answer{4, nil}},
		{answer{4, other}, answer{4, nil}},
		{answer{3, nil}, answer{3, io.ErrUnexpectedEOF}},
		{answer{3, io.EOF}, answer{3, io.ErrUnexpectedEOF}},
		{answer{0, io.EOF}, answer{0, io.ErrUnexpectedEOF}},
		{answer{3, other}, answer{3, other}},
		{answer{-1, other}, answer{0, other}},
	} {
		n, err := backend.ReadFull(test.gives, make([]byte, 4), 7)
		if n != test.want.n || err != test.want.err {
			t.Errorf("a reader that gives %v: %d, %v, want %v", test.gives, n, err, test.want)
		}
	}
}
