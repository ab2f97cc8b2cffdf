package images

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

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
}

// A writer writes an image of one format. It takes the values that it knows out
// of those of the options.
type writer struct {
	format string
	values []string // names of what it takes
	write  func(ctx context.Context, dst backend.Storage, src qedfile.Disk, v *values, o layer.WriteOptions) error
}

// writers are the formats that Write knows.
func writers() []writer {
	return []writer{
		{vmdk.Format, []string{"adapter_type", "compat6", "hwversion", "subformat", "toolsversion", "zeroed_grain"}, writeVMDK},
		{vdi.Format, []string{"static"}, writeVDI},
		{vhd.Format, []string{"force_size", "subformat"}, writeVHD},
		{vhdx.Format, []string{"block_size", "block_state_zero", "log_size", "subformat"}, writeVHDX},
	}
}

// WrittenFormats returns the names of the formats that [Write] knows. Package
// qcow2 writes its own, which has options that are no words.
func WrittenFormats() []string {
	var names []string
	for _, w := range writers() {
		names = append(names, w.format)
	}
	return names
}

// WrittenValues returns the names of the [WriteOptions] Values that a format has.
func WrittenValues(format string) []string {
	for _, w := range writers() {
		if w.format == format {
			return w.values
		}
	}
	return nil
}

// Write writes the disk src as a new image of a format, by qemu's name of it,
// to dst, which is empty. What reads as zeroes is left out. If it fails dst
// holds a part of the image; [newfile.File] keeps such a part from having a name.
func Write(ctx context.Context, format string, dst backend.Storage, src qedfile.Disk, opts *WriteOptions) error {
	if opts == nil {
		opts = &WriteOptions{}
	}
	for _, w := range writers() {
		if w.format == format {
			v := &values{format: format, left: maps.Clone(opts.Values)}
			return w.write(ctx, dst, src, v, opts.WriteOptions)
		}
	}
	return fmt.Errorf("images: %w: writing images of the format %q", qedfile.ErrUnsupported, format)
}

// values are options of a format, of which those are left that nobody knew.
type values struct {
	format string
	left   map[string]string
	err    error // the first
}

func (v *values) take(name string) (string, bool) {
	s, ok := v.left[name]
	delete(v.left, name)
	return s, ok
}

func (v *values) fail(name, value, want string) {
	if v.err == nil {
		v.err = layer.Unsupported(v.format, "the option %s=%s: %s", name, value, want)
	}
}

// choice is an option with few values, of which the first is the default.
func (v *values) choice(name string, choices ...string) string {
	s, ok := v.take(name)
	if !ok {
		return choices[0]
	}
	if !slices.Contains(choices, s) {
		v.fail(name, s, "it is one of "+strings.Join(choices, ", "))
	}
	return s
}

func (v *values) bool(name string, byDefault bool) bool {
	s, ok := v.take(name)
	switch {
	case !ok:
		return byDefault
	case s == "on" || s == "off":
		return s == "on"
	}
	v.fail(name, s, "it is on or off")
	return false
}

// size is a number of bytes, which may end in one of qemu's suffixes.
func (v *values) size(name string) int64 {
	s, ok := v.take(name)
	if !ok {
		return 0
	}
	digits, shift := s, 0
	if n := len(s); n > 0 {
		if i := strings.IndexByte("bkmgt", s[n-1]|0x20); i >= 0 {
			digits, shift = s[:n-1], 10*i
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > 1<<62>>shift {
		v.fail(name, s, "it is a size")
	}
	return int64(n) << shift
}

// done fails for values that the format does not have, or that are not right.
func (v *values) done() error {
	for _, name := range slices.Sorted(maps.Keys(v.left)) {
		v.fail(name, v.left[name], "the format has none of this name")
	}
	return v.err
}

func writeVMDK(ctx context.Context, dst backend.Storage, src qedfile.Disk, v *values, o layer.WriteOptions) error {
	w := vmdk.WriteOptions{WriteOptions: o}
	w.Stream = v.choice("subformat", "streamOptimized", "monolithicSparse") == "streamOptimized"
	w.Adapter = v.choice("adapter_type", "ide", "lsilogic", "buslogic", "legacyESX")
	w.HardwareVersion, _ = v.take("hwversion")
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
	return vmdk.Write(ctx, dst, src, &w)
}

func writeVDI(ctx context.Context, dst backend.Storage, src qedfile.Disk, v *values, o layer.WriteOptions) error {
	w := vdi.WriteOptions{WriteOptions: o, Fixed: v.bool("static", false)}
	if err := v.done(); err != nil {
		return err
	}
	return vdi.Write(ctx, dst, src, &w)
}

func writeVHD(ctx context.Context, dst backend.Storage, src qedfile.Disk, v *values, o layer.WriteOptions) error {
	w := vhd.WriteOptions{WriteOptions: o, Fixed: v.choice("subformat", "dynamic", "fixed") == "fixed", ByGeometry: !v.bool("force_size", true)}
	if err := v.done(); err != nil {
		return err
	}
	return vhd.Write(ctx, dst, src, &w)
}

func writeVHDX(ctx context.Context, dst backend.Storage, src qedfile.Disk, v *values, o layer.WriteOptions) error {
	w := vhdx.WriteOptions{WriteOptions: o, Fixed: v.choice("subformat", "dynamic", "fixed") == "fixed", BlockSize: v.size("block_size"), LogSize: v.size("log_size")}
	v.bool("block_state_zero", true) // blocks of zeroes are always said to be such
	if err := v.done(); err != nil {
		return err
	}
	return vhdx.Write(ctx, dst, src, &w)
}
