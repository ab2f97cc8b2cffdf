package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/examples/qed/internal/bytesize"
	"github.com/qedfs/qedfs/examples/qed/internal/optlist"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/qedfile"
)

// diskOptions say what a disk that is to be made is like: the -o flag of
// create, convert and measure, with -b and -F.
type diskOptions struct {
	list []optlist.Option // as they were given
	help bool

	given         map[string]string // by name, in the form that create prints
	clusterSize   int64             // bytes, 0 for the default
	tableSize     int64             // clusters, 0 for the default
	size          int64             // bytes, -1 when not told
	backing       string
	backingFmt    string
	preallocation string
	nocow         bool
	extentHint    int64
	foreign       map[string]string // what only images of other formats have

	warn     func(text string)   // of what changes no byte; may be nil
	unsynced bool                // do not wait until the new file is on the host's disk
	chain    qedfile.BackingFunc // opens the backing file while the disk is filled; nil where it does not matter
}

// createOption is what -o takes for a format.
type createOption struct {
	name, kind, help string
	set              func(o *diskOptions, value string) error
	byDefault        string // what create prints where nothing is given
	file             bool   // it is one of the file that holds the image, whatever its format
}

// Kinds of options, as "-o help" shows them.
const (
	kindText   = "str"
	kindSize   = "size"
	kindNumber = "num"
	kindBool   = "bool (on/off)"
)

func sizeOfDisk() createOption {
	return sizeOption("size", "Virtual disk size", func(o *diskOptions) *int64 { return &o.size })
}

// fileOptions are those of the file that holds the image. What takes its space
// ahead acts on raw disks only.
func fileOptions(raw bool) []createOption {
	preallocation := textOption("preallocation", "Preallocation mode (allowed values: off, falloc, full)", func(o *diskOptions) *string { return &o.preallocation })
	extent := sizeOption("extent_size_hint", "Extent size hint for the image file, 0 to disable", func(o *diskOptions) *int64 { return &o.extentHint })
	list := []createOption{
		{name: "nocow", kind: kindBool, help: "Turn off copy-on-write (valid only on btrfs)", set: func(o *diskOptions, v string) error {
			o.nocow = v == "on"
			return nil
		}},
		preallocation,
		extent,
	}
	for i := range list {
		list[i].file = true
	}
	if raw {
		list = append([]createOption{sizeOfDisk()}, list...)
	}
	return list
}

func backingOptions() []createOption {
	return []createOption{
		textOption("backing_file", "File name of a base image", func(o *diskOptions) *string { return &o.backing }),
		textOption("backing_fmt", "Image format of the base image", func(o *diskOptions) *string { return &o.backingFmt }),
	}
}

func qedOptions() []createOption {
	cluster := sizeOption("cluster_size", "Cluster size (in bytes)", func(o *diskOptions) *int64 { return &o.clusterSize })
	cluster.byDefault = fmt.Sprint(qedfile.DefaultClusterSize)
	return slices.Concat([]createOption{sizeOfDisk()}, backingOptions(), []createOption{
		cluster,
		sizeOption("table_size", "L1/L2 table size (in clusters)", func(o *diskOptions) *int64 { return &o.tableSize }),
	}, fileOptions(false))
}

// textOption is an option that takes any word.
func textOption(name, help string, to func(o *diskOptions) *string) createOption {
	return createOption{name: name, kind: kindText, help: help, set: func(o *diskOptions, v string) error { *to(o) = v; return nil }}
}

// sizeOption is an option that takes a size.
func sizeOption(name, help string, to func(o *diskOptions) *int64) createOption {
	return createOption{name: name, kind: kindSize, help: help, set: func(o *diskOptions, v string) error {
		n, err := bytesize.Parse(v)
		if err == nil {
			*to(o) = n
		}
		return err
	}}
}

// canonical is a value as create prints it, or an error where it is not
// valid.
func (c *createOption) canonical(value string) (string, error) {
	switch c.kind {
	case kindSize:
		n, err := bytesize.Parse(value)
		if err != nil {
			return "", qemutext.BadNumber(c.name)
		}
		return fmt.Sprint(n), nil
	case kindNumber:
		if _, err := strconv.ParseUint(value, 10, 64); err != nil {
			return "", qemutext.Errorf("Parameter '%s' expects a number", c.name)
		}
	case kindBool:
		if _, ok := optlist.Switch(value); !ok {
			return "", qemutext.Errorf("Parameter '%s' expects 'on' or 'off'", c.name)
		}
	}
	return value, nil
}

// addDiskOptions gives a subcommand the -o flag.
func addDiskOptions(cmd *cobra.Command) *diskOptions {
	o := &diskOptions{size: -1, given: map[string]string{}, foreign: map[string]string{}}
	cmd.Flags().VarP((*diskOptionsFlag)(o), "options", "o", `what a new image is like: cluster_size=N,table_size=N,...; "help" lists all`)
	return o
}

type diskOptionsFlag diskOptions

func (f *diskOptionsFlag) Type() string   { return "name=value,..." }
func (f *diskOptionsFlag) String() string { return "" }

// Set keeps the options. Which ones are valid depends on the format.
func (f *diskOptionsFlag) Set(s string) error {
	list, err := optlist.Parse(s)
	if err != nil || s == "" {
		return &runError{qemutext.Errorf("Invalid option list: %s", s)}
	}
	f.list = append(f.list, list...)
	f.help = f.help || optlist.AsksForHelp(list)
	return nil
}

// add takes an option that a flag of its own tells. It comes after those of -o.
func (o *diskOptions) add(name, value string) {
	o.list = append(o.list, optlist.Option{Name: name, Value: value})
}

// resolve reads the options as those of a format.
func (o *diskOptions) resolve(f format) error {
	for _, given := range o.list {
		option := f.option(given.Name)
		switch {
		case option == nil && f.name == formatQcow2 && strings.HasPrefix(given.Name, "encrypt"):
			return qemutext.Errorf("Parameter '%s' is not supported: images are not encrypted here", given.Name)
		case option == nil:
			return qemutext.Errorf("Invalid parameter '%s'", given.Name)
		}
		value, err := option.canonical(given.Value)
		if err != nil {
			return err
		}
		o.given[given.Name] = value
		if on, _ := optlist.Switch(value); option.kind == kindBool {
			value = map[bool]string{true: "on", false: "off"}[on]
		}
		if err := option.set(o, value); err != nil {
			return err
		}
	}
	return nil
}

func (f *format) option(name string) *createOption {
	for i := range f.options {
		if f.options[i].name == name {
			return &f.options[i]
		}
	}
	return nil
}

// printOptions lists what -o takes for a format, as qemu-img does. Without a
// file it is not known what is to hold the image.
func printOptions(w io.Writer, f format, named bool) error {
	title, protocol := "Supported options:", ""
	if !named {
		title = fmt.Sprintf("Supported %s options:", f.name)
		protocol = "\nThe protocol level may support further options.\nSpecify the target filename to include those options.\n"
	}
	var names []string
	for _, o := range f.options {
		if named || !o.file {
			names = append(names, o.name)
		}
	}
	slices.Sort(names)
	fmt.Fprintln(w, title)
	for _, name := range names {
		o := f.option(name)
		fmt.Fprintf(w, "  %-22s - %s\n", fmt.Sprintf("%s=<%s>", o.name, o.kind), o.help)
	}
	_, err := io.WriteString(w, protocol)
	return err
}

// describe is the part of the line that create prints.
func (o *diskOptions) describe(f format) string {
	var b strings.Builder
	for _, option := range f.options {
		value, ok := o.given[option.name]
		switch {
		case option.name == "size":
			value = fmt.Sprint(o.size)
		case !ok && option.byDefault == "":
			continue
		case !ok:
			value = option.byDefault
		}
		fmt.Fprintf(&b, " %s=%s", option.name, optlist.Escape(value))
	}
	return b.String()
}

// create is what the library needs to make a QED image.
func (o *diskOptions) create() *qedfile.CreateOptions {
	c := &qedfile.CreateOptions{
		ClusterSize: o.clusterSize,
		TableSize:   o.tableSize,
		BackingFile: o.backing,
		BackingRaw:  o.backingFmt == formatRaw,
		Backing:     o.chain,
	}
	if c.Backing == nil {
		c.Backing = noBacking
	}
	if c.ClusterSize == 0 {
		c.ClusterSize = qedfile.DefaultClusterSize
	}
	return c
}

// check refuses what no disk of a format can be, in qemu's words.
func (o *diskOptions) check(format string, size int64) error {
	if format == formatQED {
		cluster, table := o.create().ClusterSize, cmp.Or(o.tableSize, qedfile.DefaultTableSize)
		if _, given := o.given["cluster_size"]; given && (cluster != o.clusterSize || !powerOfTwo(cluster, 4<<10, 64<<20)) {
			return qemutext.Errorf("QED cluster size must be within range [4096, 67108864] and power of 2")
		}
		if _, given := o.given["table_size"]; given && !powerOfTwo(o.tableSize, 1, 16) {
			return qemutext.Errorf("QED table size must be within range [1, 16] and power of 2")
		}
		h := qedfile.Header{ClusterSize: cluster, TableSize: table}
		most := h.MaxImageSize()
		if entries := bits.Len64(uint64(table*cluster/8)) - 1; 2*entries+bits.Len64(uint64(cluster))-1 >= 64 {
			most = 0 // qemu counts in 64 bits, and opens no such image
		}
		if size > most {
			return qemutext.Errorf("QED image size must be a non-zero multiple of cluster size and less than %d bytes", most)
		}
	}
	if o.extentHint > math.MaxUint32 {
		return qemutext.Errorf("Extent size hint is too large")
	}
	_, told := o.given["preallocation"]
	_, own := o.foreign["preallocation"] // which the writer of the format checks
	switch {
	case !told, own, slices.Contains([]string{"off", "falloc", "full"}, o.preallocation):
		return nil
	case o.preallocation == "metadata":
		return qemutext.Errorf("Unsupported preallocation mode: metadata")
	}
	return qemutext.Errorf("invalid parameter value: %s", o.preallocation)
}

// forCopy reads the options for a copy of a disk. They do not give its size or
// its backing file.
func (o *diskOptions) forCopy(name string) error {
	f, err := targetFormat(name)
	if err != nil {
		return err
	}
	if isForeign(name) && name != formatQcow2 {
		return qemutext.Errorf("Block driver '%s' does not support size measurement", name)
	}
	if err := o.resolve(f); err != nil {
		return &qemutext.Error{Lines: []string{message(err), fmt.Sprintf("Invalid options for file format '%s'", name)}, Err: err}
	}
	if name == formatQcow2 {
		return nil
	}
	if o.backing != "" || o.backingFmt != "" {
		return errors.New("-o: the backing file cannot be told here")
	}
	return o.check(name, 0)
}

// preallocates reports whether the file is to have its space at once.
func (o *diskOptions) preallocates() bool {
	return o.preallocation == "falloc" || o.preallocation == "full"
}

func powerOfTwo(n, least, most int64) bool { return n >= least && n <= most && n&(n-1) == 0 }
