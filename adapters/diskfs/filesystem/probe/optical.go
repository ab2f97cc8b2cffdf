package probe

import (
	"fmt"
	"strings"
)

// Filesystems of optical discs begin with descriptors of 2 KiB, from the
// sixteenth on (ECMA-119 and ECMA-167).
const (
	descriptorStart = 32 << 10
	descriptorSize  = 2 << 10
	maxDescriptors  = 16
)

func iso9660(v *volume) Signature {
	pvd := v.bytes(descriptorStart, descriptorSize)
	if pvd == nil || string(pvd[1:6]) != "CD001" {
		return Signature{}
	}
	sig := Signature{Type: "iso9660", Label: text(pvd[40:72]), UUID: isoDate(pvd[830:847])}
	if sig.UUID == "" {
		sig.UUID = isoDate(pvd[813:830])
	}
	for i := int64(1); i < maxDescriptors; i++ {
		d := v.bytes(descriptorStart+i*descriptorSize, descriptorSize)
		if d == nil || d[0] == 255 || string(d[1:6]) != "CD001" {
			break
		}
		if escape := string(d[88:91]); d[0] == 2 && (escape == "%/@" || escape == "%/C" || escape == "%/E") {
			if label := mergeLabels(text16(d[40:72], be), string(pvd[40:72])); label != "" {
				sig.Label = label
			}
			break
		}
	}
	return sig
}

// mergeLabels completes a Joliet label, which ends after 16 characters, by
// the plain one where that goes on. Characters that the plain label had to
// replace by an underscore are taken from Joliet.
func mergeLabels(joliet, plain string) string {
	units := []rune(joliet)
	for i, r := range units {
		if i >= len(plain) || rune(plain[i]) != r && plain[i] != '_' && !strings.EqualFold(string(r), plain[i:i+1]) {
			return joliet
		}
	}
	if len(units) == 0 {
		return ""
	}
	return text([]byte(string(units) + plain[len(units):]))
}

// isoDate makes blkid's identifier of a date: sixteen digits down to
// hundredths of a second.
func isoDate(b []byte) string {
	d := string(b[:16])
	if strings.Trim(d, "0\x00 ") == "" {
		return ""
	}
	return fmt.Sprintf("%s-%s-%s-%s-%s-%s-%s", d[:4], d[4:6], d[6:8], d[8:10], d[10:12], d[12:14], d[14:16])
}

// udf looks for the recognition sequence, whose descriptors fill a block where
// blocks are larger than they, then for the anchor that leads to the
// descriptors with the names.
func udf(v *volume) Signature {
	small, large := hasNSR(v, descriptorSize), hasNSR(v, 2*descriptorSize)
	for block := int64(512); block <= 2*descriptorSize; block <<= 1 {
		if block <= descriptorSize && !small || block > descriptorSize && !large {
			continue
		}
		// A disc that was not closed may have its anchor at 512 alone.
		for _, at := range [...]int64{256, 512} {
			anchor := v.bytes(at*block, 512)
			if anchor == nil || le.Uint16(anchor) != 2 || int64(le.Uint32(anchor[12:])) != at {
				continue
			}
			label, uuid := udfNames(v, block, int64(le.Uint32(anchor[20:])), int64(le.Uint32(anchor[16:]))/block)
			return Signature{Type: "udf", Label: label, UUID: uuid}
		}
	}
	if small || large { // it has lost what it is called
		return Signature{Type: "udf"}
	}
	return Signature{}
}

// udfNames walks the volume descriptors for the names that they hold.
func udfNames(v *volume, block, start, count int64) (label, uuid string) {
	const (
		maxSequence = 64
		charset     = "\x00OSTA Compressed Unicode\x00"
	)
	for i := range min(count, maxSequence) {
		d := v.bytes((start+i)*block, 512)
		if d == nil || int64(le.Uint32(d[12:])) != start+i {
			break
		}
		switch id := le.Uint16(d); {
		case id == 1 && string(d[200:225]) == charset && uuid == "": // primary volume: identifier of the set
			uuid = udfUUID(dstring(d[72:200]))
		case id == 6 && string(d[20:45]) == charset && label == "": // logical volume
			label = dstring(d[84:212])
		case id == 8 || id == 0: // end of the sequence
			return label, uuid
		}
	}
	return label, uuid
}

func hasNSR(v *volume, step int64) bool {
	for i := range int64(maxDescriptors) {
		d := v.bytes(descriptorStart+i*step, 8)
		if d == nil {
			return false
		}
		switch string(d[1:6]) {
		case "NSR02", "NSR03":
			return true
		case "BEA01", "BOOT2", "CD001", "CDW02", "TEA01":
		default:
			return false
		}
	}
	return false
}

// dstring decodes a string that begins with its compression and ends with its
// length (OSTA UDF 2.1.3).
func dstring(b []byte) string {
	n := min(int(b[len(b)-1]), len(b)-1)
	if n < 1 {
		return ""
	}
	switch body := b[1:n]; b[0] {
	case 8, 254:
		wide := make([]byte, 0, 2*len(body))
		for _, c := range body {
			wide = append(wide, 0, c)
		}
		return text16(wide, be)
	case 16, 255:
		return text16(body, be)
	}
	return ""
}

// udfUUID makes blkid's identifier: 16 hexadecimal digits from the beginning
// of the volume set's name, whose first half is a random number by custom.
func udfUUID(set string) string {
	if len(set) < 8 {
		return ""
	}
	b := make([]byte, 16)
	copy(b, set)
	digits := 0
	for digits < 16 && strings.IndexByte("0123456789abcdefABCDEF", b[digits]) >= 0 {
		digits++
	}
	switch {
	case digits == 16:
		return strings.ToLower(string(b))
	case digits >= 8:
		return strings.ToLower(string(b[:8])) + fmt.Sprintf("%x", b[8:12])
	}
	return fmt.Sprintf("%x", b[:8])
}
