package imagespec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/qedfs/qedfs/examples/qed/internal/bytesize"
	"github.com/qedfs/qedfs/examples/qed/internal/optlist"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
)

// Spec is an image that was described.
type Spec struct {
	// Path is the file of the host.
	Path string
	// Driver is the format; "" when it was not told, "file" for the bytes of
	// the file themselves.
	Driver string
	// Offset and Size are the part of the file that is the disk, in bytes. A
	// Size of 0 is all that follows. Only raw disks have them.
	Offset, Size int64
	// ReadOnly and ForceShare were asked for.
	ReadOnly, ForceShare bool
}

// Parse reads a name: Path is the name itself where it is a plain one. strict
// says that a colon before any slash ends the name of a protocol, as in qemu;
// otherwise only those of this package do.
func Parse(name string, strict bool) (*Spec, error) {
	if text, ok := strings.CutPrefix(name, "json:"); ok {
		options, err := flattenJSON(text)
		if err != nil {
			return nil, qemutext.Errorf("Could not parse the JSON options: %w", err)
		}
		return fromOptions(options)
	}
	if path, ok := strings.CutPrefix(name, "file:"); ok {
		if i := strings.IndexAny(path, ":/"); i >= 0 && path[i] == ':' {
			path = "./" + path // so that it can be told as a plain name
		}
		return &Spec{Path: path}, nil
	}
	if i := strings.IndexAny(name, ":/"); strict && i >= 0 && name[i] == ':' {
		return nil, qemutext.Errorf("Unknown protocol '%s'", name[:i])
	}
	return &Spec{Path: name}, nil
}

// ParseOptions reads a description as --image-opts takes it.
func ParseOptions(text string) (*Spec, error) {
	list, err := optlist.Parse(text)
	if err != nil {
		return nil, err
	}
	options := make(map[string]string, len(list))
	for i, o := range list {
		if i == 0 && o.Bare { // the name of the option may be left out
			o.Name, o.Value = "file", o.Name
		}
		options[o.Name] = o.Value
	}
	return fromOptions(options)
}

// ignored are options of a node that change no byte of what is read or
// written.
var ignored = []string{
	"node-name", "discard", "detect-zeroes", "auto-read-only", "cache.direct", "cache.no-flush", "cache.writeback",
	"locking", "aio", "aio-max-batch", "x-check-cache-dropped", "drop-cache",
}

// fromOptions reads the options of a node, whose names have a dot for each
// level beneath it.
func fromOptions(options map[string]string) (*Spec, error) {
	s := &Spec{Driver: options["driver"]}
	beneath := map[string]string{}
	names := make([]string, 0, len(options))
	for name := range options {
		names = append(names, name)
	}
	slices.Sort(names) // so that of several errors the same is told each time
	for _, name := range names {
		if child, ok := strings.CutPrefix(name, "file."); ok {
			beneath[child] = options[name]
			continue
		}
		if err := s.set(name, options[name]); err != nil {
			return nil, err
		}
	}
	return s.over(beneath)
}

// set takes an option of the node itself.
func (s *Spec) set(name, value string) (err error) {
	switch name {
	case "driver":
	case "filename":
		s.Path = value
	case "file":
		return qemutext.Errorf("Cannot find device='' nor node-name='%s'", value)
	case "offset", "size":
		if s.Driver != "raw" {
			return s.unknown(name)
		}
		var n int64
		if n, err = bytesize.Parse(value); name == "offset" {
			s.Offset = n
		} else {
			s.Size = n
		}
	case "read-only":
		s.ReadOnly, err = onOff(name, value)
	case "force-share":
		s.ForceShare, err = onOff(name, value)
	default:
		if !slices.Contains(ignored, name) {
			return s.unknown(name)
		}
	}
	return err
}

func (s *Spec) unknown(name string) error {
	if s.Driver == "" {
		return fmt.Errorf("the option '%s' is not supported here", name)
	}
	return qemutext.Errorf("Block format '%s' does not support the option '%s'", s.Driver, name)
}

func onOff(name, value string) (bool, error) {
	if value != "on" && value != "off" {
		return false, qemutext.Errorf("Parameter '%s' expects 'on' or 'off'", name)
	}
	return value == "on", nil
}

// over puts the node over the one that its file options describe.
func (s *Spec) over(options map[string]string) (*Spec, error) {
	if s.Driver == "file" || s.Driver == "host_device" {
		if len(options) > 0 || s.Path == "" {
			return nil, qemutext.Errorf("The '%s' block driver requires a file name", s.Driver)
		}
		s.Driver = "file"
		return s, nil
	}
	if len(options) == 0 {
		return nil, qemutext.Errorf("Must specify either driver or file")
	}
	if s.Path != "" {
		return nil, s.unknown("filename")
	}
	if options["driver"] == "" {
		options["driver"] = "file"
	}
	child, err := fromOptions(options)
	if err != nil {
		return nil, err
	}
	switch {
	case child.Driver == "file":
		s.Path = child.Path
	case s.Driver == "raw" && s.Offset == 0 && s.Size == 0:
		// A raw disk in an image is the image's disk.
		s.Driver, s.Path, s.Offset, s.Size = child.Driver, child.Path, child.Offset, child.Size
	default:
		return nil, fmt.Errorf("a %s image inside a %s image is not supported here", s.Driver, child.Driver)
	}
	s.ReadOnly = s.ReadOnly || child.ReadOnly
	s.ForceShare = s.ForceShare || child.ForceShare
	return s, nil
}
