package qedfile

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/qedfs/qedfs/backend"
)

// A signature is how a disk image format is recognised.
type signature struct {
	format string
	at     int64 // from the start of the file, or from its end when negative
	magic  string
}

// foreignFormats are those that qemu's probes know, and some of their kin. A
// file that looks like one of them is not read as raw unless somebody who
// knows says so: its bytes are not those of the disk.
var foreignFormats = []signature{
	{"qcow2", 0, "QFI\xfb\x00\x00\x00\x03"},
	{"qcow2", 0, "QFI\xfb\x00\x00\x00\x02"},
	{"qcow", 0, "QFI\xfb"},
	{"vmdk", 0, "KDMV"},
	{"vmdk", 0, "COWD"},
	{"vmdk", 0, "# Disk DescriptorFile"},
	{"vdi", 64, "\x7f\x10\xda\xbe"},
	{"vhdx", 0, "vhdxfile"},
	{"vhd", 0, "conectix"},
	{"vhd", -512, "conectix"},
	{"luks", 0, "LUKS\xba\xbe"},
	{"parallels", 0, "WithoutFreeSpace"},
	{"parallels", 0, "WithouFreSpacExt"},
	{"bochs", 0, "Bochs Virtual HD Image"},
	{"cloop", 0, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop"},
	{"dmg", -512, "koly"},
	{"cow", 0, "OOOM\x00\x00\x00\x02"},
	{"ewf", 0, "EVF\x09\x0d\x0a\xff\x00"},
	{"aff", 0, "AFF10\r\n\x00"},
	{"wim", 0, "MSWIM\x00\x00\x00"},
}

// Probe returns the format of a disk image file: "qed", the name of another
// that its first or last bytes are the mark of, or "raw" where there is none.
// Only the first two are certain: whoever fills a raw disk chooses its bytes.
func Probe(r backend.Reader) (string, error) {
	size, err := r.Size()
	if err != nil {
		return "", err
	}
	var head, tail [sectorSize]byte
	if err := readEnd(r, head[:], 0); err != nil {
		return "", err
	}
	if size >= sectorSize {
		if err := readEnd(r, tail[:], size-sectorSize); err != nil {
			return "", err
		}
	}
	// A file of three bytes can be QED to qemu: it sees whole sectors.
	if size > 0 && strings.HasPrefix(string(head[:]), magic) {
		return "qed", nil
	}
	for _, s := range foreignFormats {
		b := tail[:]
		if s.at >= 0 {
			b = head[s.at:]
		}
		if bytes.HasPrefix(b, []byte(s.magic)) {
			return s.format, nil
		}
	}
	return "raw", nil
}

// readEnd fills b from off; what the file lacks stays as it is.
func readEnd(r io.ReaderAt, b []byte, off int64) error {
	if _, err := r.ReadAt(b, off); err != nil && err != io.EOF {
		return fmt.Errorf("qedfile: probe the format: %w", err)
	}
	return nil
}
