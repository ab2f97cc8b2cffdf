package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/qedfs/qedfs/adapters/images/qcow2"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// qcow2Options are what values and options say of a qcow2 image, and how its
// space is taken ahead.
func qcow2Options(v *values, o *WriteOptions) (w *qcow2.WriteOptions, preallocation string, err error) {
	w = &qcow2.WriteOptions{WriteOptions: o.WriteOptions, BackingFile: o.BackingFile, BackingFormat: o.BackingFormat}
	w.ClusterSize = v.size("cluster_size")
	w.Version = 3
	if compat := choice(v, "compat", "1.1", "v3", "0.10", "v2"); compat == "0.10" || compat == "v2" {
		w.Version = 2
	}
	w.CompressionType = qcow2.Zlib
	if choice(v, "compression_type", "zlib", "zstd") == "zstd" {
		w.CompressionType = qcow2.Zstd
	}
	if o.Compress {
		w.Compression = w.CompressionType
	}
	w.ExtendedL2 = v.bool("extended_l2", false)
	w.LazyRefcounts = v.bool("lazy_refcounts", false)
	w.RefcountBits = int(v.number("refcount_bits"))
	w.DataFileName, _ = v.take("data_file")
	w.DataFileRaw = v.bool("data_file_raw", false)
	preallocation = choice(v, "preallocation", "off", "metadata", "falloc", "full")
	w.Preallocate = preallocation != "off"
	return w, preallocation, v.done()
}

func writeQcow2(ctx context.Context, dst backend.Storage, src qedfile.Disk, v *values, o *WriteOptions) error {
	w, preallocation, err := qcow2Options(v, o)
	if err != nil {
		return err
	}
	if w.DataFileName != "" {
		if o.Create == nil {
			return fmt.Errorf("qcow2: data file %q: %w: no way to create it", w.DataFileName, qedfile.ErrUnsupported)
		}
		if w.DataFile, err = o.Create(w.DataFileName); err != nil {
			return fmt.Errorf("qcow2: data file %q: %w", w.DataFileName, err)
		}
	}
	if err := qcow2.Write(ctx, dst, src, w); err != nil {
		return err
	}
	return takeSpace(cmp.Or[backend.Storage](w.DataFile, dst), preallocation)
}

// takeSpace has the host give a file all its space: ahead, or by what it has
// written once more, its zeroes too.
func takeSpace(s backend.Storage, preallocation string) error {
	if preallocation != "falloc" && preallocation != "full" {
		return nil
	}
	size, err := s.Size()
	if err != nil || size == 0 {
		return err
	}
	if preallocation == "falloc" {
		if err = backend.Allocate(s, 0, size); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	b := make([]byte, min(size, 1<<20))
	for off := int64(0); off < size; off += int64(len(b)) {
		b = b[:min(int64(len(b)), size-off)]
		if n, err := s.ReadAt(b, off); n < len(b) {
			return err
		}
		if _, err := s.WriteAt(b, off); err != nil {
			return err
		}
	}
	return nil
}
