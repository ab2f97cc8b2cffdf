package main

import (
	"os"
	"strings"
	"testing"
)

func TestObjectsAreCheckedAsQemuChecksThem(t *testing.T) {
	t.Chdir(t.TempDir())
	key := strings.Repeat("k", 32)
	if err := os.WriteFile("key", []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ objects, want string }{
		{"secret,id=s,data=x", ""},
		{"secret,id=s,data=x,", ""},
		{"secret,id=s-1.a_,file=key", ""},
		{"qom-type=secret,id=s,data=x", ""},
		{`{"qom-type":"secret","id":"s","data":"x"}`, ""},
		{"secret,id=s,data=YQ==,format=base64", ""},
		{"secret,id=s,data=x,format=raw", ""},
		{"secret,id=k,file=key secret,id=s,data=x,keyid=k,iv=A", ""},
		{"secret,id=k,data=a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=,format=base64 secret,id=s,data=x,keyid=k", ""},
		{"secret,id=s,data=x secret,id=t,data=y", ""},
		{"", "Parameter 'qom-type' is missing"},
		{"bogus,id=s", "Parameter 'qom-type' does not accept value 'bogus'"},
		{"secret,data=x", "Parameter 'id' is missing"},
		{"secret,id=,data=x", "Parameter 'id' expects an identifier"},
		{"secret,id=1,data=x", "Parameter 'id' expects an identifier"},
		{"secret,id=a/b,data=x", "Parameter 'id' expects an identifier"},
		{"secret,id=s", "Either 'file' or 'data' must be provided"},
		{"secret,id=s,data=x,file=key", "'file' and 'data' are mutually exclusive"},
		{"secret,id=s,file=nothere", "Unable to read nothere: No such file or directory"},
		{"secret,id=s,data", "Expected '=' after parameter 'data'"},
		{"secret,id=s,data=x,bogus=1", "Parameter 'bogus' is unexpected"},
		{"secret,id=s,data=x,format=bogus", "Parameter 'format' does not accept value 'bogus'"},
		{"secret,id=s,data=!,format=base64", "Base64 data contains invalid characters"},
		{"secret,id=s,data=x,keyid=k", "No secret with id 'k'"},
		{"secret,id=k,data=short secret,id=s,data=x,keyid=k", "Key should be 32 bytes in length"},
		{"secret,id=s,data=x secret,id=s,data=y", "attempt to add duplicate property 's' to object (type 'container')"},
		{`{"qom-type":1}`, "Invalid parameter type for 'qom-type', expected: string"},
		{"{", "JSON parse error"},
	} {
		flag := objectFlag{map[string]string{}}
		var err error
		for _, object := range strings.Split(c.objects, " ") {
			if err = flag.Set(object); err != nil {
				break
			}
		}
		switch {
		case err == nil && c.want != "":
			t.Errorf("%s: no error", c.objects)
		case err != nil && (c.want == "" || !strings.HasPrefix(err.Error(), c.want)):
			t.Errorf("%s: %v", c.objects, err)
		}
	}
}
