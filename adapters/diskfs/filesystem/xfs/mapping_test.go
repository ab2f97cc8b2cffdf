package xfs

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

func TestTheCommittedImageHoldsAChangeThatWasBegun(t *testing.T) {
	image := fstreetest.Image(t, "xfs-dirty-begun")
	v, err := open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	if len(v.mended) == 0 {
		t.Error("nothing was left to be carried out")
	}
}

func TestBlocksAreCutOutOfExtents(t *testing.T) {
	whole := []extent{{start: 10, length: 10, offset: 1 << 20}, {start: 30, length: 5, offset: 2 << 20}}
	for name, c := range map[string]struct {
		from, to uint64
		left     []extent
		taken    uint64
	}{
		"from a hole":            {20, 30, whole, 0},
		"from the middle of one": {12, 14, []extent{{10, 2, 1 << 20, false}, {14, 6, 1<<20 + 4<<10, false}, whole[1]}, 2},
		"from two":               {15, 31, []extent{{10, 5, 1 << 20, false}, {31, 4, 2<<20 + 1<<10, false}}, 6},
		"all":                    {0, 99, []extent{}, 15},
	} {
		if left, taken := without(whole, c.from, c.to, 10); taken != c.taken || !reflect.DeepEqual(left, c.left) {
			t.Errorf("%s: %v and %d taken, want %v and %d", name, left, taken, c.left, c.taken)
		}
	}
}
