package vhd_test

import (
	"testing"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/adapters/images/vhd"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// zeroes is the layer.Format of an empty disk.
type zeroes struct{}

func (zeroes) Run(_, limit int64) (layer.Run, error) {
	return layer.Run{Kind: qedfile.Zero, Length: limit, Offset: -1}, nil
}

// TestADiskByItsGeometryHasRoomForAll writes empty disks of many sizes. The
// geometry of a rounded size may be another one, with less room, than that by
// which it was rounded.
func TestADiskByItsGeometryHasRoomForAll(t *testing.T) {
	rng := oracle.Seed(t)
	for range 800 {
		size := 512 * (1 + rng.Int64N(1<<rng.IntN(32)))
		src := layer.New(zeroes{}, size, nil)
		for _, byGeometry := range []bool{true, false} {
			file := backend.NewMemory(nil)
			if err := vhd.Write(t.Context(), file, src, &vhd.WriteOptions{ByGeometry: byGeometry}); err != nil {
				t.Fatal(err)
			}
			d, err := vhd.Open(file, nil)
			if err != nil {
				t.Fatal(err)
			}
			if n := d.Size(); n < size || !byGeometry && n != size || n > size+size/8+(1<<20) {
				t.Errorf("a disk of %d bytes has become one of %d, by its geometry: %t", size, n, byGeometry)
			}
		}
	}
}
