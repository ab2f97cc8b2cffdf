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
	// Path is the file of the host, of an image in another image that of the
	// outer one. It is empty for a null disk.
	Path string
	// Driver is the format, or the protocol for the bytes of the file
	// themselves; "" when it was not told.
	Driver string
	// Protocol is how the file is to be opened, as "file" or "host_device"; ""
	// when it was not told. It is "null-co" for a disk that holds nothing.
	Protocol string
	// Offset is where in the file a raw disk begins, in bytes.
	Offset int64
	// Size is how long a raw disk is, or a null disk, in bytes. Without Sized
	// a raw disk goes on to the end of the file.
	Size  int64
	Sized bool
	// ReadOnly and ForceShare were asked for, and Direct access, without the
	// memory of the host between.
	ReadOnly, ForceShare, Direct bool
	// Zeroes tells of a null disk that it reads as zeroes, and says so.
	Zeroes bool
	// File is the image in whose disk this one lies; nil where it is in the
	// file.
	File *Spec

	given map[string]string // options that change the bytes, as they were written
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
			return nil, qemutext.Errorf("Cannot find device='%s' nor node-name='%s'", o.Name, o.Name)
		}
		options[o.Name] = o.Value
	}
	return fromOptions(options)
}

// ignored are options of a node that change no byte of what is read or
// written.
var ignored = []string{
	"node-name", "discard", "detect-zeroes", "auto-read-only", "cache.no-flush", "cache.writeback",
	"locking", "aio", "aio-max-batch", "x-check-cache-dropped", "drop-cache",
}

// nullSize is how long a null disk is where that is not told, in bytes.
const nullSize = 1 << 30

// fromOptions reads the options of a node, whose names have a dot for each
// level beneath it.
func fromOptions(options map[string]string) (*Spec, error) {
	s := &Spec{Driver: options["driver"]}
	beneath := map[string]string{}
	for _, name := range sortedNames(options) {
		if child, ok := strings.CutPrefix(name, "file."); ok {
			beneath[child] = options[name]
			continue
		}
		if err := s.Set(name, options[name]); err != nil {
			return nil, err
		}
	}
	return s.over(beneath)
}

// sortedNames has errors come in the same order each time.
func sortedNames(options map[string]string) []string {
	names := make([]string, 0, len(options))
	for name := range options {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Set takes an option of the node itself.
func (s *Spec) Set(name, value string) (err error) {
	switch name {
	case "driver":
	case "filename":
		s.Path = value
	case "file":
		return qemutext.Errorf("Cannot find device='' nor node-name='%s'", value)
	case "offset", "size":
		if s.Driver != "raw" && (name != "size" || !isNull(s.Driver)) {
			return s.unknown(name)
		}
		var n int64
		if n, err = bytesize.Parse(value); err != nil {
			return qemutext.BadNumber(name)
		}
		if name == "offset" {
			s.Offset = n
		} else {
			s.Size, s.Sized = n, true
		}
		s.keep(name, value)
	case "read-only":
		s.ReadOnly, err = onOff(name, value)
	case "force-share":
		s.ForceShare, err = onOff(name, value)
	case "cache.direct":
		s.Direct, err = onOff(name, value)
	case "read-zeroes":
		if !isNull(s.Driver) {
			return s.unknown(name)
		}
		s.Zeroes, err = onOff(name, value)
		s.keep(name, value)
	default:
		if !slices.Contains(ignored, name) {
			return s.unknown(name)
		}
	}
	return err
}

// keep notes an option that changes the bytes.
func (s *Spec) keep(name, value string) {
	if s.given == nil {
		s.given = map[string]string{}
	}
	s.given[name] = value
}

func (s *Spec) unknown(name string) error {
	if s.Driver == "" {
		return fmt.Errorf("the option '%s' is not supported here", name)
	}
	if IsProtocol(s.Driver) {
		return qemutext.Errorf("Block protocol '%s' doesn't support the option '%s'", s.Driver, name)
	}
	return qemutext.Errorf("Block format '%s' does not support the option '%s'", s.Driver, name)
}

func onOff(name, value string) (bool, error) {
	if value != "on" && value != "off" {
		return false, qemutext.Errorf("Parameter '%s' expects 'on' or 'off'", name)
	}
	return value == "on", nil
}

// IsProtocol reports whether a driver has the bytes of a file themselves.
func IsProtocol(driver string) bool {
	return slices.Contains([]string{"file", "host_device", "host_cdrom"}, driver) || isNull(driver)
}

func isNull(driver string) bool { return driver == "null-co" || driver == "null-aio" }

// over puts the node over the one that its file options describe.
func (s *Spec) over(options map[string]string) (*Spec, error) {
	if IsProtocol(s.Driver) {
		return s.overHost(options)
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
	s.Path, s.Protocol = child.Path, child.Protocol
	s.ReadOnly = s.ReadOnly || child.ReadOnly
	s.ForceShare = s.ForceShare || child.ForceShare
	s.Direct = s.Direct || child.Direct
	if isNull(child.Driver) || !IsProtocol(child.Driver) {
		s.File = child
	}
	return s, nil
}

// overHost is over for a node that is the file itself.
func (s *Spec) overHost(options map[string]string) (*Spec, error) {
	s.Protocol = s.Driver
	switch {
	case isNull(s.Driver) && (len(options) > 0 || s.Path != ""):
		return nil, s.unknown("filename")
	case isNull(s.Driver):
		if !s.Sized {
			s.Size, s.Sized = nullSize, true
		}
	case len(options) > 0 || s.Path == "":
		return nil, qemutext.Errorf("The '%s' block driver requires a file name", s.Driver)
	}
	return s, nil
}
