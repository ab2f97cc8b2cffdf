package vhdx

import (
	"encoding/binary"
	"encoding/hex"
	"strings"

	"github.com/qedfs/qedfs/adapters/images/layer"
)

// Format is the name of the format in qemu.
const Format = "vhdx"

func invalid(why string, args ...any) error     { return layer.Invalid(Format, why, args...) }
func unsupported(why string, args ...any) error { return layer.Unsupported(Format, why, args...) }
func corrupt(why string, args ...any) error     { return layer.Corrupt(Format, why, args...) }

// A GUID is the identity of a file, of its contents, or of a part. Its first
// three fields are stored with the lowest byte first.
type GUID [16]byte

// String returns the usual form, in lower case and without braces.
func (g GUID) String() string {
	var b [16]byte
	binary.BigEndian.PutUint32(b[0:], binary.LittleEndian.Uint32(g[0:]))
	binary.BigEndian.PutUint16(b[4:], binary.LittleEndian.Uint16(g[4:]))
	binary.BigEndian.PutUint16(b[6:], binary.LittleEndian.Uint16(g[6:]))
	copy(b[8:], g[8:])
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// parseGUID reads the form that String gives, with or without braces.
func parseGUID(s string) (GUID, bool) {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Trim(s, "{}"), "-", ""))
	if err != nil || len(b) != 16 {
		return GUID{}, false
	}
	var g GUID
	binary.LittleEndian.PutUint32(g[0:], binary.BigEndian.Uint32(b[0:]))
	binary.LittleEndian.PutUint16(g[4:], binary.BigEndian.Uint16(b[4:]))
	binary.LittleEndian.PutUint16(g[6:], binary.BigEndian.Uint16(b[6:]))
	copy(g[8:], b[8:])
	return g, true
}

// Identities of regions and of items of the metadata (VHDX Format
// Specification 1.00, "Region Table" and "Known Metadata Items"), as String
// gives them.
const (
	regionBAT      = "2dc27766-f623-4200-9d64-115e9bfd4a08"
	regionMetadata = "8b7ca206-4790-4b9a-b8fe-575f050f886e"

	itemFileParameters = "caa16737-fa36-4d43-b3b6-33f0aa44e76b"
	itemDiskSize       = "2fa54224-cd1b-4876-b211-5dbed83bf4b8"
	itemPage83         = "beca12ab-b2e6-4523-93ef-c309e000c746"
	itemLogicalSector  = "8141bf1d-a96f-4709-ba47-f233a8faab5f"
	itemPhysicalSector = "cda348c7-445d-4471-9cc9-e9885251c556"
	itemParentLocator  = "a8d35f2d-b30b-454d-abf7-d3d84834ab0c"

	locatorVHDX = "b04aefb7-d19e-4a81-b789-25b8e9445913"
)
