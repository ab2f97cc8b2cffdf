package ntfs

import (
	"encoding/binary"
	"testing"
	"unicode/utf16"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/utf16name"
)

// point makes the data of a reparse point as Windows does: where the
// substitute and the print name lie, flags for a symbolic link, the names.
func point(tag uint32, substitute, display string) []byte {
	var names []byte
	add := func(s string) (off, n int) {
		off = len(names)
		for _, u := range utf16.Encode([]rune(s)) {
			names = binary.LittleEndian.AppendUint16(names, u)
		}
		return off, len(names) - off
	}
	var b []byte
	for _, s := range []string{substitute, display} {
		off, n := add(s)
		b = binary.LittleEndian.AppendUint16(b, uint16(off))
		b = binary.LittleEndian.AppendUint16(b, uint16(n))
	}
	if tag == tagSymlink {
		b = append(b, 1, 0, 0, 0)
	}
	return append(b, names...)
}

func TestTargetsOfWindowsLinksBecomePathsOnTheVolume(t *testing.T) {
	for _, c := range []struct {
		tag        uint32
		substitute string
		want       string
	}{
		{tagSymlink, `..\other\file.txt`, "../other/file.txt"},
		{tagSymlink, `\??\C:\Users\me`, "/Users/me"},
		{tagJunction, `\??\D:\`, "/"},
		{tagJunction, `\??\Volume{01234567-89ab-cdef-0123-456789abcdef}\x`, "Volume{01234567-89ab-cdef-0123-456789abcdef}/x"},
		{tagSymlink, `\??\UNC\server\share`, "UNC/server/share"},
	} {
		got, err := windowsTarget(c.tag, point(c.tag, c.substitute, "shown"))
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.substitute, got, err, c.want)
		}
	}
	for _, b := range [][]byte{nil, make([]byte, 7), {0, 0, 200, 0, 0, 0, 0, 0}} {
		if _, err := windowsTarget(tagJunction, b); err == nil {
			t.Errorf("%v was taken", b)
		}
	}
}

func TestNamesThatAreNotValidUTF16KeepTheirIdentity(t *testing.T) {
	for _, units := range [][]uint16{{'a', 0xD800, 'b'}, {0xDFFF}, {0xD83D, 0xDCBE}, {0xDC00, 0xD800}, {'x', 0xD83D}} {
		var b []byte
		for _, u := range units {
			b = binary.LittleEndian.AppendUint16(b, u)
		}
		got := utf16name.Encode(decodeUTF16(b))
		if upcase(nil).compare(got, b) != 0 {
			t.Errorf("%x became %x", units, got)
		}
	}
}

func FuzzLZNT1(f *testing.F) {
	f.Add([]byte{0x38, 0xb0, 0x88, 0x46, 0x23, 0x20, 0x00, 0x20})
	f.Fuzz(func(t *testing.T, in []byte) { _ = lznt1(make([]byte, 16384), in) })
}

func FuzzRuns(f *testing.F) {
	f.Add([]byte{0x21, 0x18, 0x34, 0x56, 0x01, 0x10, 0})
	f.Fuzz(func(t *testing.T, pairs []byte) {
		runs, _ := decodeRuns(nil, attribute{pairs: pairs}, 1<<30)
		for _, r := range runs {
			if r.length <= 0 || r.lcn < -1 || r.lcn >= 0 && r.lcn+r.length > 1<<30 {
				t.Errorf("a run of %d at %d", r.length, r.lcn)
			}
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add(append([]byte("FILE0\x00\x03\x00"), make([]byte, 1016)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 48 {
			return
		}
		r := &record{b: b}
		for a, err := range r.attributes() {
			if err == nil && !a.resident {
				_, _ = decodeRuns(nil, a, 1<<30)
			}
		}
	})
}
