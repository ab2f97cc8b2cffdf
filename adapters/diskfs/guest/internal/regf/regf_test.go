package regf

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// sample has every kind of list, name and value.
func sample() node {
	long := bytes.Repeat([]byte("0123456789abcde\n"), 3000) // in three parts
	return node{name: "ROOT", list: "ri", keys: []node{
		{name: "A", values: []Value{
			{"", String, wide("the default\x00")},
			{"big", Binary, long},
			{"empty", String, nil},
			{"number", Uint32, []byte{5, 0, 0, 0}},
			{"short", Binary, []byte{1, 2, 3}},
			{"type", 0x1f4, []byte{1}},
			{"w\u00e4rm", ExpandString, wide("%SystemRoot%\\x\U0001F600\x00")},
		}},
		{name: "B", list: "li", keys: []node{{name: "C", keys: []node{{name: "D", values: []Value{{"x", String, wide("deep\x00")}}}}}}},
		{name: "E", list: "lh", keys: []node{{name: "F"}, {name: "G"}}},
		{name: "Z"},
		{name: "\u043a\u043b\u044e\u0447"}, // a name in UTF-16
	}}
}

func mustOpen(t testing.TB, b []byte) *Hive {
	t.Helper()
	h, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// export lists all keys and values as hivexregedit does, and the errors.
func export(h *Hive) (out string, errs []error) {
	var b strings.Builder
	var visit func(k *Key, path string, depth int)
	visit = func(k *Key, path string, depth int) {
		fmt.Fprintf(&b, "[%s]\n", path)
		var lines []string
		for v, err := range k.Values() {
			if err != nil {
				errs = append(errs, err)
				continue
			}
			name := `"` + strings.ReplaceAll(v.Name, `\`, `\\`) + `"`
			if v.Name == "" {
				name = "@"
			}
			if n, ok := v.Number(); ok {
				lines = append(lines, fmt.Sprintf("%s=dword:%08x", name, n))
				continue
			}
			hex := strings.Trim(strings.ReplaceAll(fmt.Sprintf("% x", v.Data), " ", ","), "[]")
			if v.Name == "" { // comes first
				fmt.Fprintf(&b, "@=hex(%x):%s\n", v.Type, hex)
				continue
			}
			lines = append(lines, fmt.Sprintf("%s=hex(%x):%s", name, v.Type, hex))
		}
		slices.Sort(lines)
		b.WriteString(strings.Join(append(lines, ""), "\n"))
		if depth > 20 {
			return
		}
		for sub, err := range k.Keys() {
			if err != nil {
				errs = append(errs, err)
				continue
			}
			visit(sub, strings.TrimSuffix(path, `\`)+`\`+sub.Name, depth+1)
		}
	}
	root, err := h.Root()
	if err != nil {
		return "", []error{err}
	}
	visit(root, `\`, 0)
	return b.String(), errs
}

// TestHivesAreWhatHivexReads compares every key and value.
func TestHivesAreWhatHivexReads(t *testing.T) {
	oracle.Tool(t, "hivexregedit")
	hives := map[string][]byte{"built": hive(sample())}
	for _, name := range []string{"SOFTWARE", "SYSTEM", "SAM"} {
		if b, err := os.ReadFile(filepath.Join("testdata", name)); err != nil {
			t.Error(err)
		} else {
			hives[name] = b
		}
	}
	for name, b := range hives {
		file := filepath.Join(t.TempDir(), "hive")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(oracle.Tool(t, "hivexregedit"), "--export", file, `\`)
		cmd.Env = append(os.Environ(), "PERL_UNICODE=SDA")
		_, want, _ := strings.Cut(strings.TrimSpace(oracle.Output(t, cmd)), "\n\n")
		got, errs := export(mustOpen(t, b))
		if diff := firstDifference(got, strings.ReplaceAll(want+"\n", "\n\n", "\n")); diff != "" || errs != nil {
			t.Errorf("%s: %s; %v", name, diff, errs)
		}
	}
}

// firstDifference says where two texts are not the same.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d: %.200q, hivex %.200q", i, g[i], w[i])
		}
	}
	if len(g) != len(w) {
		return fmt.Sprintf("%d lines, hivex %d", len(g), len(w))
	}
	return ""
}

func TestKeysAndValuesAreFoundByName(t *testing.T) {
	root, err := mustOpen(t, hive(sample())).Root()
	if err != nil {
		t.Fatal(err)
	}
	k, err := root.Key("b", "C", "d")
	if err != nil || k.Name != "D" {
		t.Fatal(k, err)
	}
	if v, err := k.Value("X"); err != nil || v.Text() != "deep" {
		t.Error(v, err)
	}
	if k, err := root.Key("\u043a\u043b\u044e\u0447"); err != nil {
		t.Error(k, err)
	}
	if _, err := root.Key("b", "x", "d"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "key x") {
		t.Error(err)
	}
	if _, err := k.Value("y"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	a, err := root.Key("A")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"": "the default", "w\u00e4rm": "%SystemRoot%\\x\U0001F600", "number": "", "empty": "", "big": ""} {
		if v, err := a.Value(name); err != nil || v.Text() != want {
			t.Errorf("%q: %v, %v", name, v, err)
		}
	}
	if v, _ := a.Value("number"); v != nil {
		if n, ok := v.Number(); n != 5 || !ok {
			t.Error(n, ok)
		}
	}
	if v, _ := a.Value("short"); v != nil {
		if n, ok := v.Number(); ok {
			t.Error(n)
		}
	}
}

func TestDamageIsAnError(t *testing.T) {
	good := hive(sample())
	whole, _ := export(mustOpen(t, good))
	find := func(s string) int { return bytes.Index(good, []byte(s)) }
	for name, c := range map[string]struct {
		at int
		to []byte
	}{
		"root past the end":           {36, []byte{0xff, 0xff, 0xff, 0x7f}},
		"root is no key":              {36, []byte{0x20, 0, 0, 0}},
		"key is free":                 {find("nk") - 1, []byte{0}},
		"key is another thing":        {find("nk"), []byte("xx")},
		"value is another":            {find("vk"), []byte("xx")},
		"list is another":             {find("lh"), []byte("xx")},
		"list of too many":            {find("lh") + 2, []byte{0xff, 0xff}},
		"list of lists of lists":      {find("li"), []byte("ri")},
		"parts are missing":           {find("db") + 2, []byte{2}},
		"value past the end":          {find("vk") + 4, []byte{0xff, 0xff, 0x0f, 0}},
		"value of too much":           {find("vk") + 4, []byte{0xff, 0xff, 0xff, 0}},
		"more values than their list": {bytes.LastIndex(good[:find("D\x00\x00\x00")], []byte("nk")) + 36, []byte{0xff, 0xff, 0xff, 0xff}},
		"too much in its place":       {bytes.LastIndex(good[:find("number")], []byte("vk")) + 4, []byte{9}},
		"name past its cell":          {find("nk") + 72, []byte{0xff, 0x00}},
	} {
		b := bytes.Clone(good)
		copy(b[c.at:], c.to)
		seal(b)
		h, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, errs := export(h); len(errs) == 0 || got == whole {
			t.Errorf("%s: no error: %d bytes of %d", name, len(got), len(whole))
		}
	}
	for name, b := range map[string][]byte{
		"empty":   {},
		"short":   good[:600],
		"text":    bytes.Repeat([]byte("text"), 2000),
		"version": change(good, 20, 2),
	} {
		if _, err := Open(bytes.NewReader(b), int64(len(b))); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, b := range map[string][]byte{"sequence": change(good, 4, 8), "sum": append(append([]byte{}, good[:508]...), append([]byte{1}, good[509:]...)...)} {
		h, err := Open(bytes.NewReader(b), int64(len(b)))
		if !errors.Is(err, ErrDirty) || h == nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, _ := export(h); got != whole {
			t.Errorf("%s: what is there is not read", name)
		}
	}
}

func change(b []byte, at int, to byte) []byte {
	b = bytes.Clone(b)
	b[at] = to
	seal(b)
	return b
}

// TestAHiveInCirclesEnds has a key below itself, twice a level.
func TestAHiveInCirclesEnds(t *testing.T) {
	b := hive(node{name: "ROOT", keys: []node{{name: "A"}, {name: "B"}}})
	list := bytes.Index(b, []byte("lf"))
	root := b[36:40]
	copy(b[list+4:], root)
	copy(b[list+12:], root)
	_, errs := export(mustOpen(t, b))
	if len(errs) == 0 || !errors.Is(errs[0], fstree.ErrTooLarge) {
		t.Errorf("%d errors, %v", len(errs), errs)
	}
}

func TestAListOfListsOfItselfEnds(t *testing.T) {
	b := hive(sample())
	ri := bytes.Index(b, []byte("ri"))
	le.PutUint32(b[ri+4:], uint32(ri-4-binsStart))
	_, errs := export(mustOpen(t, b))
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "list of lists of lists") {
		t.Errorf("%d errors, %v", len(errs), errs)
	}
}

// TestSumsThatAreNone has base blocks whose sums would be 0 and all ones, which
// are stored as the numbers beside them.
func TestSumsThatAreNone(t *testing.T) {
	for sum, stored := range map[uint32]uint32{0: 1, 1<<32 - 1: 1<<32 - 2} {
		b := hive(sample())
		le.PutUint32(b[100:], le.Uint32(b[508:])^sum)
		le.PutUint32(b[508:], stored)
		mustOpen(t, b)
		le.PutUint32(b[508:], sum)
		if _, err := Open(bytes.NewReader(b), int64(len(b))); !errors.Is(err, ErrDirty) {
			t.Errorf("%#x: %v", sum, err)
		}
	}
}

func FuzzHive(f *testing.F) {
	f.Add(hive(sample()))
	for _, name := range []string{"SOFTWARE", "SYSTEM", "SAM"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, _ := Open(bytes.NewReader(b), int64(len(b)))
		if h == nil {
			return
		}
		h.left = min(h.left, 1<<20)
		export(h)
	})
}
