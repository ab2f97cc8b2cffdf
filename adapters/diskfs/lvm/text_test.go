package lvm

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
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
	for _, text := range []string{"a {", "a", "a = ", `a = "x`, "a = [1", "}", "a = {}", "= 1", strings.Repeat("a {", 100), strings.Repeat("a {", 18) + strings.Repeat("}", 18), `a = "\`} {
		if _, err := parseText([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

// vgcfgrestore restores no group with such a device, so this is LVM's text alone.
func TestADeviceThatMissedWritesIsNotRead(t *testing.T) {
	root, err := parseText([]byte(`vg { id = "v" seqno = 1 extent_size = 1
		physical_volumes {
			old { id = "a-a" flags = ["MISSING"] pe_start = 1 pe_count = 1 }
			new { id = "b-b" flags = [] pe_start = 1 pe_count = 1 }
		}
		logical_volumes {
			one { status = ["VISIBLE"] segment_count = 1 segment1 { start_extent = 0 extent_count = 1 type = "striped" stripes = ["old", 0] } }
			two { status = ["VISIBLE"] segment_count = 1 segment1 { start_extent = 0 extent_count = 1 type = "mirror" mirrors = ["old", 0, "new", 0] } }
		} }`))
	if err != nil {
		t.Fatal(err)
	}
	device := func(c string) Device { return Device{Reader: strings.NewReader(strings.Repeat(c, 1024)), Size: 1024} }
	g, err := newGroup(root.section("vg"), map[string]Device{"aa": device("a"), "bb": device("b")})
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Missing) != 1 || g.Missing[0] != "a-a" {
		t.Errorf("missing are %q", g.Missing)
	}
	if _, err := g.logical["one"].Open(); !errors.Is(err, ErrMissing) {
		t.Errorf("on the old device: %v", err)
	}
	r, err := g.logical["two"].Open()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != strings.Repeat("b", 512) {
		t.Errorf("the mirror has %.10q, %v", b, err)
	}
}

func TestMirrorsOfMirrorsThatAreMissingTakeNoTime(t *testing.T) {
	const levels, legs = 8, 100
	var text strings.Builder
	text.WriteString(`vg { id = "v" seqno = 1 extent_size = 1 physical_volumes { pv { id = "a" pe_start = 1 pe_count = 1 } } logical_volumes {`)
	for level := range levels {
		below := fmt.Sprintf("%q, 0, ", fmt.Sprint("lv", level+1))
		if level == levels-1 {
			below = `"pv", 0, `
		}
		fmt.Fprintf(&text, `lv%d { status = ["VISIBLE"] segment_count = 1
			segment1 { start_extent = 0 extent_count = 1 type = "mirror" mirrors = [%s] } }`, level, strings.Repeat(below, legs))
	}
	text.WriteString("} }")
	root, err := parseText([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	g, err := newGroup(root.section("vg"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.logical["lv0"].Open(); !errors.Is(err, ErrMissing) || len(err.Error()) > 1000 {
		t.Errorf("%.1000v", err)
	}
}

func TestTheLongestTextTakesLittleMemory(t *testing.T) {
	const most = 160 << 20
	var text strings.Builder
	for i := 0; text.Len() < maxText; i++ {
		fmt.Fprintf(&text, "%x{}", i)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	root, err := parseText([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > most {
		t.Errorf("%d MiB for %d sections", held>>20, len(root.names))
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
