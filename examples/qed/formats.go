package main

import (
	"slices"

	"github.com/qedfs/qedfs/adapters/images"
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
	compresses bool
	backed     bool           // it has backing files
	options    []createOption // what -o takes, in the order in which create prints them
}

// formats are all of them: those that can be made, and those that package
// images reads.
func formats() []format {
	all := []format{
		{name: formatRaw, creatable: true, options: fileOptions(true)},
		{name: formatQED, creatable: true, backed: true, options: qedOptions()},
	}
	for _, w := range images.WrittenFormats() {
		all = append(all, format{name: w.Name, creatable: true, compresses: w.Compresses, backed: w.Backed, options: foreignOptions(w)})
	}
	for _, name := range images.Formats() {
		if !slices.ContainsFunc(all, func(f format) bool { return f.name == name }) {
			all = append(all, format{name: name})
		}
	}
	return all
}

// newFormats are the names of the formats that can be made.
func newFormats() []string {
	var names []string
	for _, f := range formats() {
		if f.creatable {
			names = append(names, f.name)
		}
	}
	return names
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
