package vmdk

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// noParent is the parentCID of a disk that has no parent.
const noParent = 0xffffffff

// maxDescriptor bounds a descriptor, in bytes.
const maxDescriptor = 1 << 20

// maxExtents bounds how many files a disk can consist of.
const maxExtents = 4096

// Descriptor is the text that describes a disk: what it consists of and which
// parent it lies over (VMware's "Virtual Disk Format 5.0", "The Descriptor
// File").
type Descriptor struct {
	CreateType string // as "monolithicSparse"
	CID        uint32 // changes with the contents of the disk
	ParentCID  uint32 // CID that the parent has, 0xffffffff without one
	ParentName string // file name of the parent
	Extents    []Extent
	Values     map[string]string // of all lines "name = value", by the names in lower case
}

// HasParent reports whether the disk shows a parent where it has no data.
func (d *Descriptor) HasParent() bool { return d.ParentCID != noParent }

// Extent is a part of a disk, as its descriptor has it.
type Extent struct {
	Access  string // RW, RDONLY or NOACCESS
	Sectors int64  // of 512 bytes
	Type    string // as "SPARSE"
	Name    string // of the file; empty for zeroes
	Offset  int64  // where a flat extent begins in the file, in sectors
}

// ParseDescriptor reads a descriptor, which ends at the first NUL.
func ParseDescriptor(b []byte) (*Descriptor, error) {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	d := &Descriptor{ParentCID: noParent, Values: make(map[string]string)}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if isExtent(line) {
			e, err := parseExtent(line)
			if err != nil {
				return nil, invalid("extent %q: %w", line, err)
			}
			if len(d.Extents) == maxExtents {
				return nil, unsupported("more than %d extents", maxExtents)
			}
			d.Extents = append(d.Extents, e)
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			continue // VMware ignores what it does not know
		}
		name = strings.ToLower(strings.TrimSpace(name))
		d.Values[name] = strings.Trim(strings.TrimSpace(value), `"`)
	}
	return d, d.interpret()
}

// interpret sets the fields that come from values.
func (d *Descriptor) interpret() error {
	var ok bool
	if d.CreateType, ok = d.Values["createtype"]; !ok {
		return invalid("the descriptor has no createType")
	}
	for name, to := range map[string]*uint32{"cid": &d.CID, "parentcid": &d.ParentCID} {
		value, ok := d.Values[name]
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(value, 16, 32)
		if err != nil {
			return invalid("%s is %q in the descriptor", name, value)
		}
		*to = uint32(n)
	}
	d.ParentName = d.Values["parentfilenamehint"]
	if d.HasParent() != (d.ParentName != "") {
		return invalid("the parent has CID %08x and the name %q", d.ParentCID, d.ParentName)
	}
	return nil
}

func isExtent(line string) bool {
	access, _, ok := strings.Cut(line, " ")
	return ok && (access == "RW" || access == "RDONLY" || access == "NOACCESS")
}

// parseExtent reads a line: access, sectors, type, "name", offset.
func parseExtent(line string) (Extent, error) {
	rest, name, quoted := strings.Cut(line, `"`)
	fields := strings.Fields(rest)
	if len(fields) != 3 {
		return Extent{}, fmt.Errorf("not an access, a size and a type")
	}
	e := Extent{Access: fields[0], Type: fields[2]}
	var err error
	if e.Sectors, err = strconv.ParseInt(fields[1], 10, 64); err != nil || e.Sectors <= 0 || e.Sectors > maxSectors {
		return e, fmt.Errorf("not a number of sectors")
	}
	if !quoted {
		return e, nil
	}
	var ok bool
	if e.Name, rest, ok = strings.Cut(name, `"`); !ok {
		return e, fmt.Errorf("the name has no end")
	}
	if fields = strings.Fields(rest); len(fields) > 0 {
		if e.Offset, err = strconv.ParseInt(fields[0], 10, 64); err != nil || e.Offset < 0 || e.Offset > maxSectors {
			return e, fmt.Errorf("not an offset in sectors")
		}
	}
	return e, nil
}
