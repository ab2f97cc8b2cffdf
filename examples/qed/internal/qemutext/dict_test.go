package qemutext

import (
	"encoding/json"
	"testing"
)

// TestMembersComeInTheOrderOfQEMU has the lines of "qemu-img info
// --output=json" for a qcow2 and a VMDK image.
func TestMembersComeInTheOrderOfQEMU(t *testing.T) {
	for _, want := range []string{
		`{"compat":"1.1","compression-type":"zlib","lazy-refcounts":false,"refcount-bits":16,"corrupt":false,"extended-l2":false}`,
		`{"cid":1,"parent-cid":2,"create-type":"streamOptimized","extents":[{"compressed":true,"virtual-size":3,"filename":"a<b","cluster-size":4,"format":""}]}`,
		`{"bitmaps":0,"required":1,"fully-allocated":2}`,
		`{}`,
	} {
		got, err := json.Marshal(dictOf(t, want))
		if err != nil {
			t.Fatal(err)
		}
		if s := string(got); s != escaped(want) {
			t.Errorf("got  %s, want %s", got, want)
		}
	}
}

func escaped(s string) string {
	b, _ := json.Marshal(json.RawMessage(s))
	return string(b)
}

// dictOf makes dicts of all objects in a text.
func dictOf(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return dicts(v)
}

func dicts(v any) any {
	switch v := v.(type) {
	case map[string]any:
		d := Dict{}
		for key, value := range v {
			d[key] = dicts(value)
		}
		return d
	case []any:
		for i := range v {
			v[i] = dicts(v[i])
		}
	}
	return v
}
