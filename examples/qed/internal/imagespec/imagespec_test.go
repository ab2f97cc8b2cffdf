package imagespec_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/examples/qed/internal/imagespec"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name string
		want imagespec.Spec
	}{
		{"disk.qed", imagespec.Spec{Path: "disk.qed"}},
		{"./a:b", imagespec.Spec{Path: "./a:b"}},
		{"file:disk.qed", imagespec.Spec{Path: "disk.qed"}},
		{"file:a:b", imagespec.Spec{Path: "./a:b"}},
		{`json:{"driver":"qed","file":{"driver":"file","filename":"a b"}}`, imagespec.Spec{Path: "a b", Driver: "qed"}},
		{`json:{"file.filename":"x", "read-only": true}`, imagespec.Spec{Path: "x", ReadOnly: true}},
		{`json:{'driver':'file','filename':'it\'s "x"', 'locking': 'off'}`, imagespec.Spec{Path: `it's "x"`, Driver: "file"}},
		{`json:{"driver":"raw","offset":512,"size":"1k","file":{"filename":"x","force-share":true}}`, imagespec.Spec{Path: "x", Driver: "raw", Offset: 512, Size: 1024, ForceShare: true}},
		{`json:{"driver":"raw","file":{"driver":"qed","file":{"filename":"x"}}}`, imagespec.Spec{Path: "x", Driver: "qed"}},
	} {
		got, err := imagespec.Parse(c.name, true)
		if err != nil || *got != c.want {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, why := range map[string]string{
		"nbd:localhost:1": "Unknown protocol 'nbd'",
		"json:{bogus":     "Could not parse the JSON options: ",
		"json:{} {}":      "Could not parse the JSON options: ",
		"json:[]":         "Could not parse the JSON options: ",
		"json:{}":         "Must specify either driver or file",
		`json:{"driver":"qed","backing":null,"file":{"filename":"x"}}`:      "not supported here",
		`json:{"driver":"qed","backing":"b","file":{"filename":"x"}}`:       "Block format 'qed' does not support the option 'backing'",
		`json:{"driver":"qed","offset":1,"file":{"filename":"x"}}`:          "Block format 'qed' does not support the option 'offset'",
		`json:{"driver":"qed","file":{"driver":"nbd","host":"x"}}`:          "Block format 'nbd' does not support the option 'host'",
		`json:{"driver":"qed","file":"node"}`:                               "Cannot find device='' nor node-name='node'",
		`json:{"driver":"file"}`:                                            "requires a file name",
		`json:{"driver":"qed","file":{"driver":"qed","file.filename":"x"}}`: "a qed image inside a qed image",
		`json:{"file.filename":"x","read-only":"yes"}`:                      "Parameter 'read-only' expects 'on' or 'off'",
	} {
		if got, err := imagespec.Parse(name, true); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestOnlyStrictNamesHaveUnknownProtocols(t *testing.T) {
	if got, err := imagespec.Parse("a:b", false); err != nil || got.Path != "a:b" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseOptions(t *testing.T) {
	for _, c := range []struct {
		text string
		want imagespec.Spec
	}{
		{"driver=qed,file.filename=a,,b", imagespec.Spec{Path: "a,b", Driver: "qed"}},
		{"file.filename=x", imagespec.Spec{Path: "x"}},
		{"driver=raw,file.driver=file,file.filename=x,offset=1M", imagespec.Spec{Path: "x", Driver: "raw", Offset: 1 << 20}},
	} {
		got, err := imagespec.ParseOptions(c.text)
		if err != nil || *got != c.want {
			t.Errorf("%s: %+v, %v", c.text, got, err)
		}
	}
	for text, why := range map[string]string{
		"filename=x":                             "Must specify either driver or file",
		"node":                                   "node-name='node'",
		"driver=qed,file.filename=x,bogus=1":     "does not support the option 'bogus'",
		"driver=qed,file.filename=x,":            "an option is empty",
		"driver=raw,file.filename=x,offset=junk": "not a size",
	} {
		if got, err := imagespec.ParseOptions(text); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

// FuzzParse: whatever is described is one file, told by the description.
func FuzzParse(f *testing.F) {
	f.Add(`json:{"driver":"raw","offset":512,"file":{"driver":"qed","file.filename":"x"}}`)
	f.Add(`json:{'file.filename':'x\'"'}`)
	f.Add("driver=qed,file.filename=a,,b")
	f.Fuzz(func(t *testing.T, name string) {
		for _, parse := range []func(string) (*imagespec.Spec, error){
			imagespec.ParseOptions,
			func(s string) (*imagespec.Spec, error) { return imagespec.Parse(s, true) },
		} {
			spec, err := parse(name)
			if err == nil && spec.Path == "" && name != "" && name != "file:" && !strings.Contains(name, "filename") {
				t.Errorf("%q: no file in %+v of %s", name, spec, filepath.Base(name))
			}
		}
	})
}
