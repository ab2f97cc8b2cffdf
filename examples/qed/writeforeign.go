package main

import (
	"context"
	"iter"
	"path/filepath"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/adapters/images/vmdk"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/newfile"
	"github.com/qedfs/qedfs/qedfile"
)

const formatQcow2 = "qcow2"

// isForeign reports whether a format is neither QED nor raw.
func isForeign(format string) bool { return format != formatQED && format != formatRaw }

// foreignOptions are what -o takes for a format that is neither QED nor raw, in
// qemu-img's order. Only the writer of the format understands their values.
func foreignOptions(w images.WrittenFormat) []createOption {
	option := func(name, kind, byDefault, help string) createOption {
		return createOption{name: name, kind: kind, help: help, byDefault: byDefault, set: func(o *diskOptions, v string) error {
			o.foreign[name] = v
			return nil
		}}
	}
	backing, size := backingOptions(), sizeOfDisk()
	var list []createOption
	switch w.Name {
	case formatQcow2:
		list = []createOption{
			option("cluster_size", kindSize, "65536", "Cluster size (in bytes)"),
			option("extended_l2", kindBool, "off", "Tables with subclusters"),
			option("preallocation", kindText, "", "Preallocation mode (allowed values: off, metadata, falloc, full)"),
			option("compression_type", kindText, "zlib", "How clusters are compressed (zlib, zstd)"),
			size,
			option("compat", kindText, "", "Version: v2 [0.10] or v3 [1.1]"),
			backing[0], backing[1],
			option("data_file", kindText, "", "File name of an external data file, relative to the image"),
			option("data_file_raw", kindBool, "", "The data file stays the disk, byte for byte"),
			option("lazy_refcounts", kindBool, "off", "Reference counts may be late"),
			option("refcount_bits", kindNumber, "16", "Bits of a reference count"),
		}
	case vmdk.Format:
		list = []createOption{
			size,
			option("adapter_type", kindText, "", "Controller: ide (default), lsilogic, buslogic or legacyESX"),
			backing[0], backing[1],
			option("compat6", kindBool, "off", "Hardware version 6"),
			option("hwversion", kindText, "undefined", "Hardware version"),
			option("toolsversion", kindText, "", "Version of the guest's tools"),
			option("subformat", kindText, "", "monolithicSparse (default), monolithicFlat, twoGbMaxExtentSparse, twoGbMaxExtentFlat or streamOptimized"),
			option("zeroed_grain", kindBool, "", "Writers may mark grains as zeroes"),
		}
	case "vdi":
		list = []createOption{size, option("static", kindBool, "off", "All blocks have their place from the beginning")}
	case "vpc":
		list = []createOption{
			size,
			option("subformat", kindText, "", "dynamic (default) or fixed"),
			option("force_size", kindBool, "", "The size as it is told, not the next one that has a geometry"),
		}
	case "vhdx":
		list = []createOption{
			size,
			option("log_size", kindSize, "1048576", "Size of the log, at least 1 MiB"),
			option("block_size", kindSize, "0", "Block size, 1 to 256 MiB; 0 chooses one"),
			option("subformat", kindText, "", "dynamic (default) or fixed"),
			option("block_state_zero", kindBool, "", "Blocks of zeroes are marked; always so here"),
		}
	}
	for _, file := range fileOptions(false) {
		if w.Name != formatQcow2 || file.name != "preallocation" { // qcow2 has its own
			list = append(list, file)
		}
	}
	return list
}

// A foreignCopy is a copy of a disk to a new image of another format, or a new
// image of an empty one.
type foreignCopy struct {
	format   string
	options  *diskOptions
	compress bool
	workers  int
	progress func(done, total int64)
	backing  qedfile.Disk // what the image lies over; nil for nothing
}

// write makes the image. It gets its name when it is complete.
func (c *foreignCopy) write(ctx context.Context, name string, src qedfile.Disk) error {
	o := c.options
	f, err := newfile.Create(name, &newfile.Options{Unsynced: o.unsynced})
	if err != nil {
		return couldNotCreate(name, err)
	}
	defer f.Close()
	var parts []*newfile.File // what else belongs to the image
	defer func() {
		for _, part := range parts {
			part.Close()
		}
	}()
	w := &images.WriteOptions{
		WriteOptions: layer.WriteOptions{Workers: c.workers, Progress: c.progress},
		Values:       o.foreign, Compress: c.compress, Name: filepath.Base(name),
		BackingFile: o.backing, BackingFormat: o.backingFmt, Backing: c.backing,
		Create: func(part string) (backend.Storage, error) {
			if !filepath.IsAbs(part) {
				part = filepath.Join(filepath.Dir(name), part)
			}
			f, err := newfile.Create(part, &newfile.Options{Unsynced: o.unsynced})
			if err != nil {
				return nil, couldNotCreate(part, err)
			}
			parts = append(parts, f)
			return f.Storage(), nil
		},
	}
	if err := images.Write(ctx, c.format, f.Storage(), src, w); err != nil {
		return fileError(name, err)
	}
	// The image names the others: it comes last.
	if err := newfile.CommitAll(parts...); err != nil {
		return err
	}
	return fileError(name, f.Commit())
}

// emptyLayer is a disk that stores nothing, over whatever lies beneath.
type emptyLayer struct{ emptyDisk }

var _ qedfile.Layer = emptyLayer{}

// OwnExtents implements [qedfile.Layer].
func (d emptyLayer) OwnExtents(off, n int64) iter.Seq2[qedfile.Extent, error] {
	return d.Extents(off, n)
}

// Backing implements [qedfile.Layer].
func (emptyLayer) Backing() qedfile.Disk { return nil }
