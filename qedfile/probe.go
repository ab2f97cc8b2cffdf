package qedfile

import (
	"bytes"
	"io"
	"strings"

	"github.com/qedfs/qedfs/backend"
)

// A format is one that a file may have that is neither QED nor raw.
type format struct {
	name  string      // as qemu-img, or the usual ending of a file's name, has it
	title string      // what a person calls it
	signs []signature // any one of them is enough
}

// A signature is some bytes in a fixed place.
type signature struct {
	at    int64 // from the start of the file, or from its end when negative
	magic string
}

// foreignFormats are those that qemu's probes know, their kin, and what images
// are packed in. A file that looks like one of them is not read as raw unless
// somebody who knows says so: its bytes are not those of the disk. It is the
// one table of such magics.
var foreignFormats = []format{
	{"qcow2", "a qcow2 image", []signature{{0, "QFI\xfb\x00\x00\x00\x03"}, {0, "QFI\xfb\x00\x00\x00\x02"}}},
	{"qcow", "a qcow image of version 1", []signature{{0, "QFI\xfb"}}},
	{"vmdk", "a VMDK image", []signature{{0, "KDMV"}, {0, "COWD"}, {0, "# Disk DescriptorFile"}}},
	{"vdi", "a VDI image", []signature{{64, "\x7f\x10\xda\xbe"}}},
	{"vhdx", "a VHDX image", []signature{{0, "vhdxfile"}}},
	{"vpc", "a VHD image", []signature{{0, "conectix"}, {-512, "conectix"}, {-511, "conectix"}}}, // at -511 before 2004
	{"luks", "a volume encrypted with LUKS", []signature{{0, "LUKS\xba\xbe"}}},
	{"parallels", "a Parallels image", []signature{{0, "WithoutFreeSpace"}, {0, "WithouFreSpacExt"}}},
	{"bochs", "a Bochs image", []signature{{0, "Bochs Virtual HD Image"}}},
	{"cloop", "a cloop image", []signature{{0, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop"}}},
	{"dmg", "an Apple disk image (dmg)", []signature{{-512, "koly"}}},
	{"sparseimage", "an Apple sparse image", []signature{{0, "sprs"}}},
	{"cow", "a user-mode Linux COW image", []signature{{0, "OOOM\x00\x00\x00\x02"}}},
	{"ewf", "an EWF (EnCase) image", []signature{{0, "EVF\x09\x0d\x0a\xff\x00"}, {0, "EVF2\x0d\x0a\x81\x00"}}},
	{"aff", "an AFF image", []signature{{0, "AFF10\r\n\x00"}}},
	{"wim", "a WIM image", []signature{{0, "MSWIM\x00\x00\x00"}}},
	{"simg", "an Android sparse image", []signature{{0, "\x3a\xff\x26\xed"}}},
	{"partclone", "a partclone image", []signature{{0, "partclone-image"}}},
	{"vma", "a Proxmox backup (vma)", []signature{{0, "VMA\x00"}}},
	{"gz", "a file compressed with gzip", []signature{{0, "\x1f\x8b\x08"}}},
	{"xz", "a file compressed with xz", []signature{{0, "\xfd7zXZ\x00"}}},
	{"zst", "a file compressed with zstd", []signature{{0, "\x28\xb5\x2f\xfd"}}},
	{"bz2", "a file compressed with bzip2", []signature{{4, "\x31\x41\x59\x26\x53\x59"}}}, // after BZh and a digit
	{"lz4", "a file compressed with lz4", []signature{{0, "\x04\x22\x4d\x18"}, {0, "\x02\x21\x4c\x18"}}},
	{"lzo", "a file compressed with lzop", []signature{{0, "\x89LZO\x00\r\n\x1a\n"}}},
	{"Z", "a file compressed with compress", []signature{{0, "\x1f\x9d"}}},
	{"tar", "a tar archive, as an OVA is one", []signature{{257, "ustar\x00"}, {257, "ustar  \x00"}}},
	{"zip", "a zip archive", []signature{{0, "PK\x03\x04"}, {0, "PK\x05\x06"}}},
	{"7z", "a 7z archive", []signature{{0, "7z\xbc\xaf\x27\x1c"}}},
	{"rar", "a RAR archive", []signature{{0, "Rar!\x1a\x07"}}},
}

// Probe returns the format of a disk image file: "qed", another format whose
// signature its first or last bytes have, or "raw" if there is no signature.
// "raw" is a guess: the first bytes of a raw disk are chosen by its writer.
// Names are those of qemu-img ("qcow2", "vmdk") or the usual ending of such
// files ("gz", "tar"); [FormatTitle] gives them in words.
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
	for _, f := range foreignFormats {
		for _, m := range f.signs {
			b := head[max(m.at, 0):]
			if m.at < 0 {
				b = tail[sectorSize+m.at:]
			}
			if bytes.HasPrefix(b, []byte(m.magic)) {
				return f.name, nil
			}
		}
	}
	return "raw", nil
}

// FormatTitle says in words what a format that [Probe] returns is, article
// included: "a qcow2 image". A name that it does not know stands for itself.
func FormatTitle(name string) string {
	switch name {
	case "qed":
		return "a QED image"
	case "raw":
		return "a raw disk"
	}
	for _, f := range foreignFormats {
		if f.name == name {
			return f.title
		}
	}
	return name
}

// readEnd fills b from off; what the file lacks stays as it is.
func readEnd(r io.ReaderAt, b []byte, off int64) error {
	if _, err := r.ReadAt(b, off); err != nil && err != io.EOF {
		return errorf("probe the format: %w", err)
	}
	return nil
}
