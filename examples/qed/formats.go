package main

import (
	"slices"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/adapters/images/vmdk"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
)

// Image formats, as flags name them.
const (
	formatQED = "qed"
	formatRaw = "raw"
)

// A format is a disk image format that -f, -F and -O may name.
type format struct {
	name       string
	creatable  bool
	copyable   bool // convert can make it, create cannot
	compresses bool
	backed     bool           // it has backing files
	options    []createOption // what -o takes
}

// formats are all of them: those that can be made, and those that package
// images reads.
func formats() []format {
	all := []format{
		{name: formatRaw, creatable: true, options: fileOptions()},
		{name: formatQED, creatable: true, backed: true, options: qedOptions()},
		{name: formatQcow2, copyable: true, compresses: true, backed: true, options: qcow2Options()},
	}
	for _, name := range images.WrittenFormats() {
		all = append(all, format{name: name, copyable: true, compresses: name == vmdk.Format, options: machineOptions(name)})
	}
	for _, name := range images.Formats() {
		if !slices.ContainsFunc(all, func(f format) bool { return f.name == name }) {
			all = append(all, format{name: name})
		}
	}
	return all
}

func findFormat(name string) (format, bool) {
	all := formats()
	i := slices.IndexFunc(all, func(f format) bool { return f.name == name })
	if i < 0 {
		return format{}, false
	}
	return all[i], true
}

// targetFormat is the format of a disk that is to be made.
func targetFormat(name string) (format, error) {
	f, ok := findFormat(name)
	switch {
	case !ok && !slices.Contains(onlyReadByQemu(), name):
		return f, qemutext.Errorf("Unknown file format '%s'", name)
	case !f.creatable:
		return f, qemutext.Errorf("Format driver '%s' does not support image creation", name)
	}
	return f, nil
}

// onlyReadByQemu are formats of qemu that none of its tools makes.
func onlyReadByQemu() []string { return []string{"bochs", "cloop", "dmg"} }

// copyFormat is the format of a disk that convert is to make.
func copyFormat(name string) (format, error) {
	if f, ok := findFormat(name); ok && f.copyable {
		return f, nil
	}
	return targetFormat(name)
}
