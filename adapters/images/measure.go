package images

import (
	"context"
	"maps"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/adapters/images/qcow2"
	"github.com/qedfs/qedfs/qedfile"
)

// Measurement is how many bytes a new image's files need.
type Measurement = qcow2.Measurement

// Measure tells how large the files of a new image of a format would be that
// holds what the disk src stores; the options are those of [Write]. Only qcow2
// is measured, as "qemu-img measure" does; for QED there is [qedfile.Measure]. For
// other formats the error matches [qedfile.ErrUnsupported].
func Measure(ctx context.Context, format string, src qedfile.Disk, opts *WriteOptions) (*Measurement, error) {
	if format != "qcow2" {
		return nil, layer.Unsupported(format, "to tell the size of a new image")
	}
	if opts == nil {
		opts = &WriteOptions{}
	}
	w, preallocation, err := qcow2Options(&values{format: format, left: maps.Clone(opts.Values)}, opts)
	if err != nil {
		return nil, err
	}
	m, err := qcow2.Measure(ctx, src, w)
	if err == nil && (preallocation == "falloc" || preallocation == "full") {
		m.Required = m.FullyAllocated
	}
	return m, err
}
