package utf16name_test

import (
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/utf16name"
)

func TestNamesSurviveTheWayToUTF8AndBack(t *testing.T) {
	for _, c := range []struct {
		units []uint16
		name  string
	}{
		{[]uint16{'a', 'b'}, "ab"},
		{[]uint16{0xE9, 0x65E5}, "é日"},
		{[]uint16{0xD83D, 0xDE00, '!'}, "😀!"},
		{[]uint16{0xD83D}, "\xED\xA0\xBD"},
		{[]uint16{0xDE00, 0xD83D, 'x'}, "\xED\xB8\x80\xED\xA0\xBDx"},
		{[]uint16{0xD83D, 0xD83D, 0xDE00}, "\xED\xA0\xBD😀"},
		{[]uint16{0xFFFD, 0xFFFF}, "\uFFFD\uFFFF"},
	} {
		if got := string(utf16name.Append(nil, c.units)); got != c.name {
			t.Errorf("% x is %q, want %q", c.units, got, c.name)
		}
		if got := utf16name.Encode(c.name); !slices.Equal(got, c.units) {
			t.Errorf("%q is % x, want % x", c.name, got, c.units)
		}
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("plain")
	f.Add("\xED\xA0\xBD😀\xff")
	f.Fuzz(func(t *testing.T, name string) {
		back := string(utf16name.Append(nil, utf16name.Encode(name)))
		if utf8.ValidString(name) && back != name {
			t.Errorf("%q became %q", name, back)
		}
	})
}
