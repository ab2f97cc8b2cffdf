package images

import (
	"context"
	"fmt"
	"maps"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/adapters/images/vdi"
	"github.com/qedfs/qedfs/adapters/images/vhd"
	"github.com/qedfs/qedfs/adapters/images/vhdx"
	"github.com/qedfs/qedfs/adapters/images/vmdk"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// WriteOptions say how [Write] works and what the new image is like. The zero
// value, and nil, are the defaults.
type WriteOptions struct {
	layer.WriteOptions

	// Values are the options of the format, by the names and in the form that
	// they have after qemu-img's -o. One that the format does not have is
	// refused.
	Values map[string]string

	// Compress compresses what is written: qcow2 clusters by the value
	// compression_type, and VMDK grains, which makes a stream.
	Compress bool

	// BackingFile is the name of a file that shows what the backing file of the
	// source does, BackingFormat is its format, and Backing the disk in it.
	// Only what the source stores itself is written then; it must be a
	// [qedfile.Layer]. Formats: qcow2, and vmdk over vmdk.
	BackingFile   string
	BackingFormat string
	Backing       qedfile.Disk // may be nil for qcow2

	// Name is the name of the new file. VMDK images mention it, and the names of
	// further files are made of it.
	Name string

	// Create creates such a further file, for the parts of a VMDK image and the
	// data of a qcow2 image. It is the caller's to close, also after an error.
	// Nil refuses images that need any.
	Create func(name string) (backend.Storage, error)
}

// A writer writes an image of one format. It takes the values that it knows out
// of those of the options.
type writer struct {
	format string
	values []string // names of what it takes
	backed bool
	packed bool
	write  func(ctx context.Context, dst backend.Storage, src qedfile.Disk, v *values, o *WriteOptions) error
}

// writers are the formats that Write knows.
func writers() []writer {
	return []writer{
		{"qcow2", []string{
			"cluster_size", "compat", "compression_type", "data_file", "data_file_raw", "extended_l2", "lazy_refcounts", "preallocation", "refcount_bits",
		}, true, true, writeQcow2},
		{vmdk.Format, []string{"adapter_type", "compat6", "hwversion", "subformat", "toolsversion", "zeroed_grain"}, true, true, writeVMDK},
		{vdi.Format, []string{"static"}, false, false, writeVDI},
		{vhd.Format, []string{"force_size", "subformat"}, false, false, writeVHD},
		{vhdx.Format, []string{"block_size", "block_state_zero", "log_size", "subformat"}, false, false, writeVHDX},
	}
}

// A WrittenFormat is a format that [Write] knows.
type WrittenFormat struct {
	Name       string   // by qemu's name
	Values     []string // names of the [WriteOptions] Values that it has
	Backed     bool     // it can have a backing file
	Compresses bool
}

// WrittenFormats returns the formats that [Write] knows.
func WrittenFormats() []WrittenFormat {
	var list []WrittenFormat
	for _, w := range writers() {
		list = append(list, WrittenFormat{w.format, w.values, w.backed, w.packed})
	}
	return list
}

// Write writes the disk src as a new image of a format, by qemu's name of it,
// to dst, which is empty. What reads as zeroes is left out. If it fails dst
// holds a part of the image; [newfile.File] keeps such a part from having a name.
func Write(ctx context.Context, format string, dst backend.Storage, src qedfile.Disk, opts *WriteOptions) error {
	if opts == nil {
		opts = &WriteOptions{}
	}
	for _, w := range writers() {
		if w.format != format {
			continue
		}
		switch {
		case opts.BackingFile != "" && !w.backed:
			return layer.Unsupported(format, "a backing file")
		case opts.Compress && !w.packed:
			return layer.Unsupported(format, "compression")
		}
		v := &values{format: format, left: maps.Clone(opts.Values)}
		return w.write(ctx, dst, src, v, opts)
	}
	return fmt.Errorf("images: %w: writing images of the format %q", qedfile.ErrUnsupported, format)
}

func writeVMDK(ctx context.Context, dst backend.Storage, src qedfile.Disk, v *values, o *WriteOptions) error {
	w := vmdk.WriteOptions{WriteOptions: o.WriteOptions, FileName: o.Name, Extent: o.Create, ParentName: o.BackingFile}
	subformats := []vmdk.Subformat{vmdk.MonolithicSparse, vmdk.StreamOptimized, vmdk.MonolithicFlat, vmdk.SplitSparse, vmdk.SplitFlat}
	if o.Compress {
		subformats = []vmdk.Subformat{vmdk.StreamOptimized}
	}
	w.Subformat = choice(v, "subformat", subformats...)
	w.Adapter = choice(v, "adapter_type", "ide", "lsilogic", "buslogic", "legacyESX")
	w.HardwareVersion, _ = v.take("hwversion")
	if w.HardwareVersion == "undefined" { // qemu's word for none
		w.HardwareVersion = ""
	}
	if v.bool("compat6", false) {
		if w.HardwareVersion != "" {
			v.fail("compat6", "on", "hwversion says it, too")
		}
		w.HardwareVersion = "6"
	}
	w.ToolsVersion, _ = v.take("toolsversion")
	w.ZeroGrains = v.bool("zeroed_grain", false)
	if err := v.done(); err != nil {
		return err
	}
	if w.ParentName != "" {
		parent, ok := o.Backing.(interface{ CID() uint32 })
		if !ok {
			return layer.Unsupported(vmdk.Format, "a backing file that is no VMDK image")
		}
		w.ParentCID = parent.CID()
	}
	return vmdk.Write(ctx, dst, src, &w)
}

func writeVDI(ctx context.Context, dst backend.Storage, src qedfile.Disk, v *values, o *WriteOptions) error {
	w := vdi.WriteOptions{WriteOptions: o.WriteOptions, Fixed: v.bool("static", false)}
	if err := v.done(); err != nil {
		return err
	}
	return vdi.Write(ctx, dst, src, &w)
}

func writeVHD(ctx context.Context, dst backend.Storage, src qedfile.Disk, v *values, o *WriteOptions) error {
	w := vhd.WriteOptions{WriteOptions: o.WriteOptions, Fixed: choice(v, "subformat", "dynamic", "fixed") == "fixed", ByGeometry: !v.bool("force_size", true)}
	if err := v.done(); err != nil {
		return err
	}
	return vhd.Write(ctx, dst, src, &w)
}

func writeVHDX(ctx context.Context, dst backend.Storage, src qedfile.Disk, v *values, o *WriteOptions) error {
	w := vhdx.WriteOptions{WriteOptions: o.WriteOptions, Fixed: choice(v, "subformat", "dynamic", "fixed") == "fixed", BlockSize: v.size("block_size"), LogSize: v.size("log_size")}
	w.BlockSize = min(w.BlockSize, 256<<20) // as qemu
	if w.LogSize > 0 {
		w.LogSize = max(w.LogSize, 1<<20)
	}
	v.bool("block_state_zero", true) // blocks of zeroes are always said to be such
	if err := v.done(); err != nil {
		return err
	}
	return vhdx.Write(ctx, dst, src, &w)
}
