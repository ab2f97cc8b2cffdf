package fstreetest

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// CutOff opens a committed image whole and without its end, and checks that
// the latter says so and counts nothing that is not there.
func CutOff(t *testing.T, name string, open func(r io.ReaderAt, size int64) (*fstree.FS, error)) {
	t.Helper()
	image := Image(t, name)
	info := func(b []byte) (cut bool, _ fstree.Info) {
		t.Helper()
		fsys, err := open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatalf("%d of %d bytes: %v", len(b), len(image), err)
		}
		i := fsys.Info()
		return strings.Contains(strings.Join(i.Notes, "\n"), "the volume is cut off"), i
	}
	whole, before := info(image)
	if whole {
		t.Errorf("%s: the whole is said to be cut off: %q", name, before.Notes)
	}
	const left = 0.7
	n := int64(float64(before.Size) * left)
	cut, after := info(image[:n])
	if !cut {
		t.Errorf("%s: notes %q", name, after.Notes)
	}
	if after.Size > n || after.Free > after.Size || before.Free > 0 && after.Free >= before.Free {
		t.Errorf("%s: %d of %d bytes free, of %d of %d before the cut at %d", name, after.Free, after.Size, before.Free, before.Size, n)
	}
}
