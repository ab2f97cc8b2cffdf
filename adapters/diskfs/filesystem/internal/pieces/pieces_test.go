package pieces_test

import (
	"bytes"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/pieces"
)

func TestTheLastPiecesAreKept(t *testing.T) {
	var p pieces.Recent
	if b := p.Get(0); b != nil {
		t.Errorf("an empty one has %v", b)
	}
	for i := range 40 {
		p.Put(uint64(i), []byte{byte(i)})
	}
	for i, want := range map[uint64][]byte{7: nil, 8: {8}, 39: {39}, 40: nil} {
		if got := p.Get(i); !bytes.Equal(got, want) {
			t.Errorf("piece %d is %v, want %v", i, got, want)
		}
	}
}
