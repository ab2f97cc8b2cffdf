package ntfs

import (
	"errors"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// A stream of a volume of 10 clusters, by its encoded runs: a length and how far
// the run begins after the last one, or a length alone for a hole.
func TestAStreamThatMapsClustersAgainAndAgainIsDamaged(t *testing.T) {
	v := &volume{boot: &boot{cluster: 4096, size: 10 * 4096}}
	for _, c := range []struct {
		pairs   []byte
		damaged bool
	}{
		{[]byte{0x11, 10, 0, 0}, false},
		{[]byte{0x11, 10, 0, 0x01, 100, 0}, false},
		{[]byte{0x11, 10, 0, 0x11, 10, 0, 0}, true},
	} {
		b := make([]byte, 1024)
		le.PutUint16(b[20:], 56)
		a := b[56:]
		le.PutUint32(a, attrData)
		le.PutUint32(a[4:], 72)
		a[8] = 1 // not in the record
		le.PutUint16(a[32:], 64)
		le.PutUint64(a[48:], 4096)
		copy(a[64:72], c.pairs)
		le.PutUint32(a[72:], attrEnd)
		f := &file{v: v, records: []*record{{b: b}}}
		if _, err := f.stream(attrData, ""); errors.Is(err, fstree.ErrDamaged) != c.damaged || !c.damaged && err != nil {
			t.Errorf("% x: %v", c.pairs, err)
		}
	}
}
