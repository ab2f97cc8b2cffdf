package vmdk

import (
	"context"

	"github.com/qedfs/qedfs/adapters/images/layer"
)

var _ layer.Checker = (*Image)(nil)

// Check checks that all directories, tables and grains lie inside their files.
// Unlike qemu-img, which ends at the first, it counts every part of the disk
// that cannot be read for it.
func (m *Image) Check(ctx context.Context, opts *layer.CheckOptions) (*layer.CheckReport, error) {
	return m.CheckRuns(ctx, opts)
}
