package vdi

import (
	"context"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/qedfile"
)

var _ layer.Checker = (*Image)(nil)

// Check checks, as qemu-img does, that the blocks are numbered below the number
// of blocks, that no two have the same number, and that the header counts them.
func (m *Image) Check(ctx context.Context, opts *layer.CheckOptions) (*layer.CheckReport, error) {
	if err := m.Usable(); err != nil {
		return nil, err
	}
	h, t := &m.header, layer.NewTally(opts)
	allocated, owners := int64(0), make(map[int64]int64)
	for i := int64(0); i < h.Blocks; {
		entries, err := m.table.Entries(h.MapOffset + 4*i)
		if err != nil {
			return nil, err
		}
		for k := 0; k < entries.Len() && i < h.Blocks; k, i = k+1, i+1 {
			e := int64(entries.At(k))
			if e == entryFree || e == entryZero {
				continue
			}
			if e >= h.Blocks {
				t.Add(qedfile.Corruption, 1, "block %d of the disk is number %d of %d", i, e, h.Blocks)
				continue
			}
			allocated++
			if owner, taken := owners[e]; taken {
				t.Add(qedfile.Corruption, 1, "block %d of the disk has number %d, as block %d", i, e, owner)
			} else {
				owners[e] = i
			}
		}
		if err := t.Err(ctx); err != nil {
			return nil, err
		}
	}
	if allocated != h.Allocated {
		t.Add(qedfile.Corruption, 1, "there are %d blocks, and %d by the header", allocated, h.Allocated)
	}
	return &t.CheckReport, t.Err(ctx)
}
