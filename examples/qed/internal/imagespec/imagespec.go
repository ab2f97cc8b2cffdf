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
	// NativeAIO was asked for, which needs Direct.
	NativeAIO bool
	// File is the image in whose disk this one lies; nil where it is in the
	// file.
	File *Spec

	given        map[string]string // options that change the bytes, as they were written
	writable     bool              // read-only=off was told
	unmaps       bool
	detectZeroes string
}

// Parser reads names and descriptions.
type Parser struct {
	// Strict says that in a name a colon before any slash ends the name of a
	// protocol, as in qemu; otherwise only those of this package do.
	Strict bool
	// Known reports whether there is a format of this name; nil has all.
	Known func(format string) bool
	// Warn is told what qemu warns of; may be nil.
	Warn func(text string)
}

// Parse reads a name: Path is the name itself where it is a plain one.
func (p *Parser) Parse(name string) (*Spec, error) {
	if text, ok := strings.CutPrefix(name, "json:"); ok {
		options, err := flattenJSON(text)
		if err != nil {
			return nil, err
		}
		return p.fromOptions(options)
	}
	if path, ok := strings.CutPrefix(name, "file:"); ok {
		if i := strings.IndexAny(path, ":/"); i >= 0 && path[i] == ':' {
			path = "./" + path // so that it can be told as a plain name
		}
		return &Spec{Path: path}, nil
	}
	if i := strings.IndexAny(name, ":/"); p.Strict && i >= 0 && name[i] == ':' {
		return nil, qemutext.Errorf("Unknown protocol '%s'", name[:i])
	}
	return &Spec{Path: name}, nil
}

// ParseOptions reads a description as --image-opts takes it.
func (p *Parser) ParseOptions(text string) (*Spec, error) {
	list := optlist.ParseLoose(text)
	options := make(map[string]string, len(list))
	for i, o := range list {
		switch {
		case i == 0 && o.Bare: // the name of the option may be left out
			return nil, noNode(o.Word)
		case o.Bare && p.Warn != nil:
			p.Warn(fmt.Sprintf("short-form boolean option '%s' deprecated\nPlease use %s=%s instead", o.Word, o.Name, o.Value))
		}
		options[o.Name] = o.Value
	}
	return p.fromOptions(options)
}

// noNode is the error for a disk of a running machine, of which there is none.
func noNode(name string) error {
	return qemutext.Errorf("Cannot find device='%s' nor node-name='%s'", name, name)
}

// nullSize is how long a null disk is where that is not told, in bytes.
const nullSize = 1 << 30

// fromOptions reads the options of a node, whose names have a dot for each
// level beneath it.
func (p *Parser) fromOptions(options map[string]string) (*Spec, error) {
	driver, told := options["driver"]
	s := &Spec{Driver: driver}
	if told && !IsProtocol(driver) && p.Known != nil && !p.Known(driver) {
		return nil, qemutext.Errorf("Unknown driver '%s'", driver)
	}
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
	if err := s.consistent(); err != nil {
		return nil, err
	}
	return s.over(p, beneath)
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
		return noNode(value)
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
		s.writable = err == nil && !s.ReadOnly
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
		return s.setHarmless(name, value)
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
	on, ok := optlist.Switch(value)
	if !ok {
		return false, qemutext.Errorf("Parameter '%s' expects 'on' or 'off'", name)
	}
	return on, nil
}

// IsProtocol reports whether a driver has the bytes of a file themselves.
func IsProtocol(driver string) bool {
	return slices.Contains([]string{"file", "host_device", "host_cdrom"}, driver) || isNull(driver)
}

func isNull(driver string) bool { return driver == "null-co" || driver == "null-aio" }

// over puts the node over the one that its file options describe.
func (s *Spec) over(p *Parser, options map[string]string) (*Spec, error) {
	if IsProtocol(s.Driver) {
		return s.overHost(options)
	}
	switch {
	case len(options) == 0 && s.Driver != "":
		return nil, qemutext.Errorf("A block device must be specified for \"file\"")
	case len(options) == 0:
		return nil, qemutext.Errorf("Must specify either driver or file")
	case s.Path != "":
		return nil, s.unknown("filename")
	}
	if options["driver"] == "" {
		options["driver"] = "file"
	}
	child, err := p.fromOptions(options)
	if err != nil {
		return nil, err
	}
	s.Path, s.Protocol = child.Path, child.Protocol
	s.ReadOnly = s.ReadOnly || child.ReadOnly
	s.ForceShare = s.ForceShare || child.ForceShare
	s.Direct = s.Direct || child.Direct
	s.NativeAIO = s.NativeAIO || child.NativeAIO
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
