package qemuio

import (
	"errors"
	"io"

	"github.com/qedfs/qedfs/qedfile"
)

// keep writes the clusters of a read that the image does not store itself to
// the image, as qemu's copy-on-read does, zeroes as such.
func (r *request) keep() error {
	d := r.device
	layer, ok := d.Disk.(qedfile.Layer)
	if !ok || d.Writable == nil || d.ClusterSize == 0 {
		return nil
	}
	start := r.offset / d.ClusterSize * d.ClusterSize
	end := min(d.Disk.Size(), (r.offset+r.n+d.ClusterSize-1)/d.ClusterSize*d.ClusterSize)
	var missing []qedfile.Extent
	for e, err := range layer.OwnExtents(start, end-start) {
		if err != nil {
			return err
		}
		if e.Kind == qedfile.Unallocated {
			missing = append(missing, e)
		}
	}
	for _, e := range missing {
		if err := copyUp(d, e.Start, e.Length); err != nil {
			return err
		}
	}
	return nil
}

// copyUp writes what a disk shows to it, a cluster at a time.
func copyUp(d *Device, off, n int64) error {
	b := make([]byte, d.ClusterSize)
	for end := off + n; off < end; off += d.ClusterSize {
		part := b[:min(d.ClusterSize, end-off)]
		if _, err := d.Disk.ReadAt(part, off); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if _, err := d.Writable.WriteAt(part, off); err != nil {
			return err
		}
	}
	return nil
}
