package lvm

import (
	"reflect"
	"strings"
	"testing"
)

func TestTextIsParsed(t *testing.T) {
	s, err := parseText([]byte("# comment\na {\n b = 1 c = \"x\\\"y\\\\\" # more\n list = [\"p\", 7, \"q\", -1]\n empty = []\n d-e.f { }\n}\nlast = 2\n\x00\x00"))
	if err != nil {
		t.Fatal(err)
	}
	a := s.section("a")
	if got := a.str("c"); got != `x"y\` {
		t.Errorf("c is %q", got)
	}
	if got, want := a.values["list"], []any{"p", int64(7), "q", int64(-1)}; !reflect.DeepEqual(got, want) {
		t.Errorf("list is %v", got)
	}
	if n, err := s.number("last", 2); n != 2 || err != nil {
		t.Errorf("last is %d, %v", n, err)
	}
	if _, err := a.number("b", 0); err == nil {
		t.Error("a number over its limit was taken")
	}
	if a.sections["d-e.f"] == nil || a.section("none").section("none").str("none") != "" {
		t.Error("sections are not found as they should be")
	}
}

func TestMalformedTextIsAnError(t *testing.T) {
	for _, text := range []string{"a {", "a", "a = ", `a = "x`, "a = [1", "}", "a = {}", "= 1", strings.Repeat("a {", 100), `a = "\`} {
		if _, err := parseText([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte(`vg { id = "x" physical_volumes { pv0 { id = "y" pe_start = 1 pe_count = 2 } } extent_size = 8
		logical_volumes { a { status = ["VISIBLE"] segment_count = 1 segment1 { start_extent = 0 extent_count = 1 type = "striped" stripes = ["a", 0] } } } }`))
	f.Fuzz(func(t *testing.T, text []byte) {
		root, err := parseText(text)
		if err != nil {
			return
		}
		for _, name := range root.names {
			g, err := newGroup(root.sections[name], nil)
			if err != nil {
				continue
			}
			for _, v := range g.Volumes {
				if r, err := v.Open(); err == nil {
					_, _ = r.ReadAt(make([]byte, 100), v.Size/2)
				}
			}
		}
	})
}
