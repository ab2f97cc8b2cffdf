package exfat_test

import (
	"encoding/binary"
	"os"
	"slices"
	"testing"
)

// craftedSets is a directory of what no driver writes.
func craftedSets() []byte {
	deleted := file("deleted", 0x20, 0, 0, 0, 0)
	for at := 0; at < len(deleted); at += 32 {
		deleted[at] &^= 0x80
	}
	guid := make([]byte, 32)
	guid[0] = 0xA0
	noDate := file("no date", 0x20, 0, 0, 0, 0)
	copy(noDate[8:25], make([]byte, 17))
	month15 := file("month 15", 0x20, 0, 0, 0, 0)
	copy(month15[8:20], slices.Repeat([]byte{0xFF}, 12))
	return slices.Concat(
		file("plain", 0x20, 0, 0, 0, 0), deleted, guid,
		file("read only", 0x21, 0, 0, 0, 0), file("hidden system", 0x26, 0, 0, 0, 0), file("empty directory", 0x10, 0, 0, 0, 0),
		file("two entries of name", 0x20, 0, 0, 0, 0), file("fifteen units!!", 0x20, 0, 0, 0, 0), file("pair 😀 of surrogates", 0x20, 0, 0, 0, 0),
		seal(noDate), seal(month15), file("last", 0x20, 0, 0, 0, 0),
	)
}

// craft puts the sets into the root directory of a fresh volume, whose
// cluster has to hold them.
func craft(tb testing.TB, image string) {
	tb.Helper()
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	boot := make([]byte, 512)
	if _, err := f.ReadAt(boot, 0); err != nil {
		tb.Fatal(err)
	}
	u32 := func(at int) int64 { return int64(binary.LittleEndian.Uint32(boot[at:])) }
	root := u32(88)<<boot[108] + (u32(96)-2)<<(boot[108]+boot[109])
	entry := make([]byte, 1)
	for { // behind the label, the bitmap and the upper-case table
		if _, err := f.ReadAt(entry, root); err != nil {
			tb.Fatal(err)
		}
		if entry[0] == 0 {
			break
		}
		root += 32
	}
	if _, err := f.WriteAt(craftedSets(), root); err != nil {
		tb.Fatal(err)
	}
}
