package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/adapters/images/qcow2"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/newfile"
	"github.com/qedfs/qedfs/qedfile"
)

const formatQcow2 = "qcow2"

// isForeign reports whether a format is neither QED nor raw.
func isForeign(format string) bool { return format != formatQED && format != formatRaw }

// A foreignCopy is a copy of a disk to a new image of another format.
type foreignCopy struct {
	format   string
	options  *diskOptions
	compress bool
	workers  int
	progress func(done, total int64)
}

// write makes the image. It gets its name when it is complete.
func (c *foreignCopy) write(ctx context.Context, name string, src qedfile.Disk) error {
	write, err := c.writer()
	if err != nil {
		return err
	}
	f, err := newfile.Create(name, &newfile.Options{Unsynced: c.options.unsynced})
	if err != nil {
		return fileError(name, err)
	}
	defer f.Close()
	if err := write(ctx, f.Storage(), src); err != nil {
		return fileError(name, err)
	}
	return fileError(name, f.Commit())
}

// writer makes the library's options of those on the command line.
func (c *foreignCopy) writer() (func(context.Context, backend.Storage, qedfile.Disk) error, error) {
	if c.format != formatQcow2 {
		return c.machineWriter()
	}
	o := c.options
	w := &qcow2.WriteOptions{
		ClusterSize: o.clusterSize, BackingFile: o.backing, BackingFormat: o.backingFmt,
		Workers: c.workers, Progress: c.progress,
	}
	compression := qcow2.Zlib
	for name, value := range o.foreign {
		if err := setQcow2Option(w, &compression, name, value); err != nil {
			return nil, fmt.Errorf("-o %s=%s: %w", name, value, err)
		}
	}
	if c.compress {
		w.Compression = compression
	} else if compression == qcow2.Zstd {
		return nil, errors.New("-o compression_type: nothing is compressed without -c")
	}
	return func(ctx context.Context, s backend.Storage, src qedfile.Disk) error {
		return qcow2.Write(ctx, s, src, w)
	}, nil
}

// machineWriter is writer for the formats of virtual machines. Of them only a
// VMDK stream is compressed, and it always is.
func (c *foreignCopy) machineWriter() (func(context.Context, backend.Storage, qedfile.Disk) error, error) {
	if subformat := c.options.foreign["subformat"]; c.compress && subformat != "" && subformat != "streamOptimized" {
		return nil, fmt.Errorf("-c: images of the subformat %s are not compressed", subformat)
	}
	w := &images.WriteOptions{
		WriteOptions: layer.WriteOptions{Workers: c.workers, Progress: c.progress},
		Values:       c.options.foreign,
	}
	return func(ctx context.Context, s backend.Storage, src qedfile.Disk) error {
		return images.Write(ctx, c.format, s, src, w)
	}, nil
}

// foreignOptions are what -o takes for a qcow2 image, besides what it takes for
// others too.
func foreignOptions() []string {
	return []string{"compat", "compression_type", "extended_l2", "lazy_refcounts", "refcount_bits"}
}

// setQcow2Option sets the option of qemu-img's name.
func setQcow2Option(w *qcow2.WriteOptions, compression *qcow2.Compression, name, value string) (err error) {
	switch name {
	case "compat":
		w.Version, err = oneOf(value, map[string]int{"0.10": 2, "v2": 2, "1.1": 3, "v3": 3})
	case "compression_type":
		*compression, err = oneOf(value, map[string]qcow2.Compression{"zlib": qcow2.Zlib, "zstd": qcow2.Zstd})
	case "extended_l2":
		w.ExtendedL2, err = oneOf(value, map[string]bool{"on": true, "off": false})
	case "lazy_refcounts":
		w.LazyRefcounts, err = oneOf(value, map[string]bool{"on": true, "off": false})
	case "refcount_bits":
		w.RefcountBits, err = strconv.Atoi(value)
	}
	return err
}

// oneOf is what a word stands for.
func oneOf[T any](word string, values map[string]T) (T, error) {
	v, ok := values[word]
	if ok {
		return v, nil
	}
	words := make([]string, 0, len(values))
	for w := range values {
		words = append(words, w)
	}
	slices.Sort(words)
	return v, fmt.Errorf("it is one of %s", strings.Join(words, ", "))
}
