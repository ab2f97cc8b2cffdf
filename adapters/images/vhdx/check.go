package vhdx

import (
	"context"

	"github.com/qedfs/qedfs/adapters/images/layer"
)

var _ layer.Checker = (*Image)(nil)

// Check checks that all blocks lie inside the file. A log was replayed in memory
// when the image was opened, and is no finding.
func (m *Image) Check(ctx context.Context, opts *layer.CheckOptions) (*layer.CheckReport, error) {
	return m.CheckRuns(ctx, opts)
}
