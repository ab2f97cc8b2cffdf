package probe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend"
)

// Signature is what a volume is found to be. All fields are empty where
// nothing is recognised.
type Signature struct {
	Type  string // as blkid names it: "ext4", "vfat", "LVM2_member", "crypto_LUKS", ...
	Label string // as blkid prints it
	UUID  string // as blkid prints it: a serial number "1234-ABCD" for FAT, a date for ISO 9660

	// FATBits is the width of an entry of the table of a FAT volume: 12, 16
	// or 32. It is 0 for everything else.
	FATBits int
}

// Identify recognises what the size bytes of r hold. An error is one of
// reading r; a volume that holds nothing known is no error.
//
// Where several signatures are present, a member of something larger (RAID,
// LVM, encryption) wins over a filesystem, as in blkid: what lies inside is
// not for reading from the outside.
func Identify(r io.ReaderAt, size int64) (Signature, error) {
	v := &volume{r: r, size: size}
	backend.Prefetch(r, Places(0, size))
	v.head = v.read(0, min(headBytes, size))
	v.tailAt = max(size-tailBytes, 0)
	v.tail = v.read(v.tailAt, size-v.tailAt)
	for _, recognise := range recognisers {
		if sig := recognise(v); sig.Type != "" {
			return sig, v.err
		}
	}
	return Signature{}, v.err
}

// Places is what [Identify] reads of every volume, of one that lies at off on a
// disk: for who is going to look at several, and asks for all of it ahead.
func Places(off, size int64) []backend.Range {
	head := min(headBytes, size)
	tail := min(tailBytes, size-head)
	places := []backend.Range{{Off: off, Len: head}, {Off: off + size - tail, Len: tail}}
	for _, at := range superblocksFar {
		if at+512 <= size {
			places = append(places, backend.Range{Off: off + at, Len: 512})
		}
	}
	return places
}

// superblocksFar is where the recognisers look on every volume, past the head.
var superblocksFar = [...]int64{128 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20, 4 << 20}

// recognisers stand in blkid's order (libblkid/src/superblocks/superblocks.c)
// but for two things. A magic of two bytes comes after all that are longer:
// blkid calls an image ambivalent in which it finds both, and refuses it. And
// of the two filesystems of a UDF bridge, which it calls udf, the one that is
// read here is named.
var recognisers = [...]func(*volume) Signature{
	linuxRAID, ddf, firmware, bcache, drbd, drbdmanage, lvm2, recogniseFixed(layers), verity, integrity, luks, stratis, bitLocker,
	vfat, swap, xfs, ext, reiserfs, jfs, iso9660, udf, zfs, ufs, hpfs, sysv, ntfs, refs, cramfs, romfs, gfs,
	squashfs, btrfs, befs, nilfs2, exfat, f2fs, apfs, erofs, bcachefs, recogniseFixed(strangers),
	damagedExt, damagedFAT, damagedNTFS, damagedUFS, hfsplus, xenix, minix, lvm1, xfsLog, recogniseFixed(seldomPromise),
}

// headBytes covers every signature from the start through that of btrfs, and
// the swap signature of a machine with pages of 64 KiB.
const headBytes = 68 << 10

// tailBytes covers what RAID, DRBD and NILFS leave at the end: md 0.90 in the
// last 128 KiB, the second anchor of DDF before them.
const tailBytes = 132 << 10

// volume is what the recognisers look at.
type volume struct {
	r    io.ReaderAt
	size int64
	head []byte // the first bytes, read once
	tail []byte // the last bytes, read once
	err  error  // the first failure to read

	tailAt int64
}

// bytes returns n bytes at off, or nil where the volume does not have them.
// No caller asks for more than a constant.
func (v *volume) bytes(off, n int64) []byte {
	if off < 0 || off > v.size-n {
		return nil
	}
	if off+n <= int64(len(v.head)) {
		return v.head[off : off+n]
	}
	if off >= v.tailAt && v.tail != nil {
		return v.tail[off-v.tailAt:][:n]
	}
	return v.read(off, n)
}

func (v *volume) read(off, n int64) []byte {
	b := make([]byte, n)
	got, err := v.r.ReadAt(b, off)
	if got == len(b) {
		return b
	}
	if v.err == nil {
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		v.err = fmt.Errorf("probe: read %d bytes at %d: %w", n, off, err)
	}
	return nil
}

// has reports whether magic stands at off.
func (v *volume) has(off int64, magic string) bool {
	return string(v.bytes(off, int64(len(magic)))) == magic
}

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// formatUUID prints 16 bytes in the usual groups; all zeroes stand for none.
func formatUUID(b []byte) string {
	if len(b) != 16 || allZero(b) {
		return ""
	}
	return fstree.FormatUUID([16]byte(b))
}

// text is a label that ends at its first zero byte or at the end of its
// field; blkid takes off white space after it.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return strings.TrimRight(string(b), " \t\n\v\f\r")
}

// text16 is the same for a label in UTF-16.
func text16(b []byte, order binary.ByteOrder) string {
	units := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		u := order.Uint16(b)
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return strings.TrimRight(string(utf16.Decode(units)), " \t\n\v\f\r")
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func powerOfTwo(n uint32) bool { return n != 0 && n&(n-1) == 0 }
