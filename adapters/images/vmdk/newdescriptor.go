package vmdk

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"strings"
)

// descriptor returns the descriptor of a new image.
func (w *writer) descriptor() ([]byte, error) {
	opts := w.opts
	adapter := cmp.Or(opts.Adapter, "ide")
	heads := int64(255)
	switch adapter {
	case "ide":
		heads = 16
	case "lsilogic", "buslogic", "legacyESX":
	default:
		return nil, unsupported("the adapter %q", adapter)
	}
	const perTrack = 63
	values := map[string]string{
		"name": w.extents[0].name, "hardware version": cmp.Or(opts.HardwareVersion, "4"),
		"tools version": cmp.Or(opts.ToolsVersion, "2147483647"), "parent": opts.ParentName,
	}
	for what, value := range values {
		if strings.ContainsAny(value, "\"\n\r\x00") {
			return nil, unsupported("the %s %q", what, value)
		}
	}
	parent, sectors := uint32(noParent), w.size/sectorSize
	if opts.ParentName != "" {
		parent = opts.ParentCID
	}
	if opts.ParentName != "" && parent == noParent {
		return nil, unsupported("a parent whose CID is %08x", parent)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Disk DescriptorFile\nversion=1\nCID=%08x\nparentCID=%08x\ncreateType=\"%v\"\n", newCID(), parent, opts.Subformat)
	if opts.ParentName != "" {
		fmt.Fprintf(&b, "parentFileNameHint=\"%s\"\n", opts.ParentName)
	}
	fmt.Fprint(&b, "\n# Extent description\n")
	for _, e := range w.extents {
		if opts.Subformat.flat() {
			fmt.Fprintf(&b, "RW %d FLAT \"%s\" 0\n", e.size/sectorSize, e.name)
		} else {
			fmt.Fprintf(&b, "RW %d SPARSE \"%s\"\n", e.size/sectorSize, e.name)
		}
	}
	fmt.Fprintf(&b, "\n# The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = \"%s\"\n", values["hardware version"])
	fmt.Fprintf(&b, "ddb.geometry.cylinders = \"%d\"\nddb.geometry.heads = \"%d\"\nddb.geometry.sectors = \"%d\"\n", sectors/(perTrack*heads), heads, perTrack)
	fmt.Fprintf(&b, "ddb.adapterType = %q\nddb.toolsVersion = \"%s\"\n", adapter, values["tools version"])
	if room := newDescSize * sectorSize; w.extents[0].embedded && b.Len() > room || b.Len() > maxDescriptor {
		return nil, unsupported("a descriptor of %d bytes", b.Len())
	}
	return b.Bytes(), nil
}

// newCID returns a random number that is not the one for a disk without a
// parent, nor the one before.
func newCID() uint32 { return rand.Uint32N(noParent - 1) }
