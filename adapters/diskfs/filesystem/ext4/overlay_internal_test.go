package ext4

import (
	"bytes"
	"cmp"
	"slices"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// The model is a volume into which the patches have been written.
func TestAnOverlayShowsAVolumeAsIfItWereWritten(t *testing.T) {
	const blockBits, blocks = 10, 64
	rng := oracle.Seed(t)
	for range 50 {
		base := make([]byte, blocks<<blockBits)
		for i := range base {
			base[i] = byte(rng.Uint32())
		}
		model := bytes.Clone(base)
		o := &overlay{r: bytes.NewReader(base), blockBits: blockBits}
		from := rng.Uint64N(blocks)
		for _, block := range rng.Perm(blocks)[:rng.IntN(blocks)] {
			// Mostly in a row, as a journal is.
			if from = (from + 1) % blocks; rng.IntN(4) == 0 {
				from = rng.Uint64N(blocks)
			}
			o.patches = append(o.patches, patch{block: uint64(block), from: from, escaped: rng.IntN(3) == 0})
		}
		slices.SortFunc(o.patches, func(a, b patch) int { return cmp.Compare(a.block, b.block) })
		for _, x := range o.patches {
			to := model[x.block<<blockBits:][:1<<blockBits]
			copy(to, base[x.from<<blockBits:])
			if x.escaped {
				be.PutUint32(to, journalMagic)
			}
		}
		for range 100 {
			off := rng.IntN(len(base))
			got := make([]byte, 1+rng.IntN(len(base)-off))
			if n, err := o.ReadAt(got, int64(off)); err != nil || n != len(got) || !bytes.Equal(got, model[off:][:n]) {
				t.Fatalf("%d bytes at %d: %d, %v", len(got), off, n, err)
			}
		}
	}
}
