package imagespec_test

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/examples/qed/internal/imagespec"
)

func TestParse(t *testing.T) {
	type spec = imagespec.Spec
	for _, c := range []struct {
		name, called string
		want         spec
	}{
		{"disk.qed", "disk.qed", spec{Path: "disk.qed"}},
		{"./a:b", "./a:b", spec{Path: "./a:b"}},
		{"file:disk.qed", "disk.qed", spec{Path: "disk.qed"}},
		{"file:a:b", "./a:b", spec{Path: "./a:b"}},
		{`json:{"driver":"qed","file":{"driver":"file","filename":"a b"}}`, "a b", spec{Path: "a b", Driver: "qed", Protocol: "file"}},
		{`json:{"file.filename":"x", "read-only": true}`, "x", spec{Path: "x", Protocol: "file", ReadOnly: true}},
		{`json:{"driver":"qed","cache.direct":true,"file":{"filename":"x"}}`, "x", spec{Path: "x", Driver: "qed", Protocol: "file", Direct: true}},
		{`json:{'driver':'file','filename':'it\'s "x"', 'locking': 'off'}`, `it's "x"`, spec{Path: `it's "x"`, Driver: "file", Protocol: "file"}},
		{`json:{"driver":"host_device","filename":"/dev/x"}`, "/dev/x", spec{Path: "/dev/x", Driver: "host_device", Protocol: "host_device"}},
		{
			`json:{"driver":"raw","offset":512,"size":"1k","file":{"filename":"x","force-share":true,"cache.direct":"on","read-only":"on"}}`,
			`json:{"offset": 512, "driver": "raw", "size": "1k", "file": {"driver": "file", "filename": "x"}}`,
			spec{Path: "x", Driver: "raw", Protocol: "file", Offset: 512, Size: 1024, Sized: true, ForceShare: true, Direct: true, ReadOnly: true},
		},
		{
			`json:{"driver":"raw","file":{"driver":"qed","file":{"filename":"x"}}}`,
			`json:{"driver": "raw", "file": {"driver": "qed", "file": {"driver": "file", "filename": "x"}}}`,
			spec{Path: "x", Driver: "raw", Protocol: "file", File: &spec{Path: "x", Driver: "qed", Protocol: "file"}},
		},
		{`json:{"driver":"null-co"}`, "null-co://", spec{Driver: "null-co", Protocol: "null-co", Size: 1 << 30, Sized: true}},
		{
			`json:{"driver":"null-aio","size":512,"read-zeroes":true}`, `json:{"read-zeroes": true, "driver": "null-aio", "size": 512}`,
			spec{Driver: "null-aio", Protocol: "null-aio", Size: 512, Sized: true, Zeroes: true},
		},
		{
			`json:{"driver":"raw","file":{"driver":"null-co"}}`, "null-co://",
			spec{Driver: "raw", Protocol: "null-co", File: &spec{Driver: "null-co", Protocol: "null-co", Size: 1 << 30, Sized: true}},
		},
	} {
		got, err := strict().Parse(c.name)
		if err != nil || got.Name() != c.called {
			t.Errorf("%s: %+v, %v", c.name, got, err)
			continue
		}
		if *got = bare(got); !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// bare is a description without what only its name tells.
func bare(s *imagespec.Spec) imagespec.Spec {
	b := imagespec.Spec{
		Path: s.Path, Driver: s.Driver, Protocol: s.Protocol, Offset: s.Offset, Size: s.Size, Sized: s.Sized,
		ReadOnly: s.ReadOnly, ForceShare: s.ForceShare, Direct: s.Direct, Zeroes: s.Zeroes, NativeAIO: s.NativeAIO,
	}
	if s.File != nil {
		beneath := bare(s.File)
		b.File = &beneath
	}
	return b
}

func TestRefusals(t *testing.T) {
	for name, why := range map[string]string{
		"nbd:localhost:1":                   "Unknown protocol 'nbd'",
		"json:":                             "Could not parse the JSON options: Expecting a JSON value",
		"json:{":                            "Could not parse the JSON options: JSON parse error, premature EOI",
		"json:{bogus":                       "Could not parse the JSON options: JSON parse error, invalid keyword 'bogus'",
		"json:{} {}":                        "Could not parse the JSON options: Expecting at most one JSON value",
		"json:[]":                           "Invalid JSON object given",
		`json:{"a":1,}`:                     "Could not parse the JSON options: JSON parse error, expecting value",
		`json:{"a" 1}`:                      "Could not parse the JSON options: JSON parse error, missing : in object pair",
		`json:{"a":tru}`:                    "Could not parse the JSON options: JSON parse error, invalid keyword 'tru'",
		`json:{"a":true`:                    "Could not parse the JSON options: JSON parse error, premature EOI",
		`json:{"driver":"qed","a":1,"a":2}`: "Could not parse the JSON options: JSON parse error, duplicate key",
		`json:{"driver":"qed","a":{"b":1,"b":1}}`:                            "Could not parse the JSON options: JSON parse error, duplicate key",
		`json:{"driver":"qed","x":[1],"file":{"filename":"x"}}`:              "Block format 'qed' does not support the option 'x.0'",
		`json:{"driver":"qed"}`:                                              "A block device must be specified for \"file\"",
		`json:{"driver":"qed","file":null}`:                                  "A block device must be specified for \"file\"",
		`json:{"driver":"","file":{"filename":"x"}}`:                         "Unknown driver ''",
		`json:{"driver":"qed","discard":"x","file.filename":"x"}`:            "Invalid discard option",
		`json:{"detect-zeroes":"x","file.filename":"x"}`:                     "invalid parameter value: x",
		`json:{"detect-zeroes":"unmap","file.filename":"x"}`:                 "setting detect-zeroes to unmap is not allowed without setting discard operation to unmap",
		`json:{"detect-zeroes":"unmap","discard":"off","file.filename":"x"}`: "setting detect-zeroes to unmap",
		`json:{"force-share":true,"read-only":false,"file.filename":"x"}`:    "force-share=on can only be used with read-only images",
		`json:{"auto-read-only":"x","file.filename":"x"}`:                    "Parameter 'auto-read-only' expects 'on' or 'off'",
		`json:{"cache.no-flush":1,"file.filename":"x"}`:                      "Parameter 'cache.no-flush' expects 'on' or 'off'",
		`json:{"driver":"qed","locking":"off","file.filename":"x"}`:          "Block format 'qed' does not support the option 'locking'",
		`json:{"driver":"qed","file":{"filename":"x","locking":"x"}}`:        "invalid parameter value: x",
		`json:{"driver":"qed","file":{"filename":"x","aio":"x"}}`:            "invalid parameter value: x",
		`json:{"driver":"qed","file":{"filename":"x","aio-max-batch":"x"}}`:  "Parameter 'aio-max-batch' expects a number",
		`json:{"driver":"qed","file":{"filename":"x","drop-cache":"x"}}`:     "Parameter 'drop-cache' expects 'on' or 'off'",
		`json:{"driver":"null-co","locking":"off"}`:                          "Block protocol 'null-co' doesn't support the option 'locking'",
		"json:{}": "Must specify either driver or file",
		`json:{"driver":"qed","backing":null,"file":{"filename":"x"}}`: "not supported here",
		`json:{"driver":"qed","backing":"b","file":{"filename":"x"}}`:  "Block format 'qed' does not support the option 'backing'",
		`json:{"driver":"qed","offset":1,"file":{"filename":"x"}}`:     "Block format 'qed' does not support the option 'offset'",
		`json:{"driver":"qed","file":{"driver":"nbd","host":"x"}}`:     "Unknown driver 'nbd'",
		`json:{"driver":"qed","file":"node"}`:                          "Cannot find device='node' nor node-name='node'",
		`json:{"driver":"file"}`:                                       "requires a file name",
		`json:{"driver":"file","filename":"x","read-zeroes":true}`:     "Block protocol 'file' doesn't support the option 'read-zeroes'",
		`json:{"driver":"null-co","filename":"x"}`:                     "Block protocol 'null-co' doesn't support the option 'filename'",
		`json:{"driver":"qed","filename":"x","file":{"filename":"x"}}`: "Block format 'qed' does not support the option 'filename'",
		`json:{"driver":"raw","size":-1,"file":{"filename":"x"}}`:      "Parameter 'size' expects a non-negative number",
		`json:{"file.filename":"x","read-only":"maybe"}`:               "Parameter 'read-only' expects 'on' or 'off'",
	} {
		if got, err := strict().Parse(name); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestOnlyStrictNamesHaveUnknownProtocols(t *testing.T) {
	if got, err := new(imagespec.Parser).Parse("a:b"); err != nil || got.Path != "a:b" {
		t.Errorf("%+v, %v", got, err)
	}
}

// strict is a parser with the formats that qed has, as good as.
func strict() *imagespec.Parser {
	return &imagespec.Parser{Strict: true, Known: func(format string) bool { return format == "qed" || format == "raw" }}
}

// warnings are those of qemu.
type warnings []string

func (w *warnings) add(text string) { *w = append(*w, text) }

func TestParseOptions(t *testing.T) {
	warned := warnings{}
	for _, c := range []struct {
		text string
		want imagespec.Spec
	}{
		{"driver=qed,file.filename=a,,b", imagespec.Spec{Path: "a,b", Driver: "qed", Protocol: "file"}},
		{"file.filename=x", imagespec.Spec{Path: "x", Protocol: "file"}},
		{"file.filename=x,", imagespec.Spec{Path: "x", Protocol: "file"}},
		{"file.filename=x,read-only,noforce-share,cache.direct=yes", imagespec.Spec{Path: "x", Protocol: "file", ReadOnly: true, Direct: true}},
		{"file.filename=x,file.aio=native,discard=unmap,detect-zeroes=unmap", imagespec.Spec{Path: "x", Protocol: "file", NativeAIO: true}},
		{"file.filename=x,file.aio=threads,file.locking=off,file.drop-cache=no,auto-read-only=on", imagespec.Spec{Path: "x", Protocol: "file"}},
		{"driver=raw,file.driver=file,file.filename=x,offset=1M", imagespec.Spec{Path: "x", Driver: "raw", Protocol: "file", Offset: 1 << 20}},
	} {
		got, err := (&imagespec.Parser{Warn: warned.add}).ParseOptions(c.text)
		if err != nil || !reflect.DeepEqual(bare(got), c.want) {
			t.Errorf("%s: %+v, %v", c.text, got, err)
		}
	}
	want := warnings{
		"short-form boolean option 'read-only' deprecated\nPlease use read-only=on instead",
		"short-form boolean option 'noforce-share' deprecated\nPlease use force-share=off instead",
	}
	if !reflect.DeepEqual(warned, want) {
		t.Errorf("warnings: %q", warned)
	}
	for text, why := range map[string]string{
		"filename=x":                             "Must specify either driver or file",
		"node":                                   "device='node' nor node-name='node'",
		"driver=qed,file.filename=x,bogus=1":     "does not support the option 'bogus'",
		",driver=qed":                            "device='' nor node-name=''",
		"nodriver":                               "device='nodriver' nor node-name='nodriver'",
		"driver=raw,file.filename=x,offset=junk": "Parameter 'offset' expects",
	} {
		if got, err := strict().ParseOptions(text); err == nil || !strings.Contains(err.Error(), why) {
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
			strict().ParseOptions,
			strict().Parse,
		} {
			spec, err := parse(name)
			if err == nil && spec.Path == "" && !strings.HasPrefix(spec.Protocol, "null-") && name != "" && name != "file:" && !strings.Contains(name, "filename") {
				t.Errorf("%q: no file in %+v of %s", name, spec, filepath.Base(name))
			}
		}
	})
}
