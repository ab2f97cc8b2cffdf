package imagespec

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Name is what qemu calls the image: the file where that says it all, or else a
// description.
func (s *Spec) Name() string {
	switch {
	case s.told() || s.File != nil && !IsProtocol(s.File.Driver):
		return "json:" + s.object()
	case s.Path == "" && s.Protocol != "":
		return s.Protocol + "://"
	}
	return s.Path
}

// told reports whether the bytes depend on options, of the image or of those
// in which it lies.
func (s *Spec) told() bool { return len(s.given) > 0 || s.File != nil && s.File.told() }

// object is the description in JSON, with the options in qemu's order.
func (s *Spec) object() string {
	var fields []string
	add := func(name, value string) { fields = append(fields, quoted(name)+": "+value) }
	for _, name := range []string{"offset", "read-zeroes", "driver", "size"} {
		if name == "driver" {
			add(name, quoted(s.Driver))
		} else if value, ok := s.given[name]; ok {
			add(name, literal(value))
		}
	}
	switch {
	case s.File != nil:
		add("file", s.File.object())
	case !IsProtocol(s.Driver):
		protocol := s.Protocol
		if protocol == "" {
			protocol = "file"
		}
		add("file", (&Spec{Driver: protocol, Path: s.Path}).object())
	case !isNull(s.Driver):
		add("filename", quoted(s.Path))
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// literal is the value of an option in JSON.
func literal(value string) string {
	if _, err := strconv.ParseUint(value, 10, 63); err == nil {
		return value
	}
	if value == "on" || value == "off" {
		return strconv.FormatBool(value == "on")
	}
	return quoted(value)
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return strconv.Quote(s) // it never is: any string can be written
	}
	return string(b)
}
