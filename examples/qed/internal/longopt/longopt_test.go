package longopt_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/examples/qed/internal/longopt"
)

func options() *longopt.Set {
	return &longopt.Set{
		Long:           map[string]bool{"output": true, "object": true, "backing-chain": false, "backing": true, "shrink": false},
		ShortWithValue: "fo",
	}
}

func TestExpand(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--out json x", "--output json x"},
		{"--ou=json --sh", "--output=json --shrink"},
		{"--backing any --backing-c", "--backing any --backing-chain"},
		{"-o --out --sh", "-o --out --shrink"},   // the value of -o
		{"-qo --out --sh", "-qo --out --shrink"}, // of letters that stand together
		{"-ox --out --sh", "-ox --output --sh"},  // -o has its value; --sh is that of --output
		{"--output --sh --sh", "--output --sh --shrink"},
		{"--sh -- --sh", "--shrink -- --sh"},
		{"--unknown - -1 --", "--unknown - -1 --"},
	} {
		got, err := options().Expand(strings.Fields(c.args))
		if err != nil || !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%s: %q, %v; want %s", c.args, got, err, c.want)
		}
	}
}

func TestAmbiguous(t *testing.T) {
	_, err := options().Expand([]string{"--o=json"})
	var several *longopt.AmbiguousError
	if !errors.As(err, &several) || several.Name != "o" {
		t.Errorf("got %v", err)
	}
}

// FuzzExpand: what is not abbreviated stays, nothing comes or goes, and a
// second time changes nothing.
func FuzzExpand(f *testing.F) {
	f.Add("--out\njson\n--\n--ou")
	f.Add("-qo\n--x\n--sh=1\n--back")
	f.Fuzz(func(t *testing.T, lines string) {
		args := strings.Split(lines, "\n")
		once, err := options().Expand(args)
		if err != nil {
			return
		}
		if len(once) != len(args) {
			t.Fatalf("%q: %q", args, once)
		}
		for i := range args {
			if once[i] != args[i] && !strings.HasPrefix(args[i], "--") {
				t.Errorf("%q became %q", args[i], once[i])
			}
		}
		if twice, err := options().Expand(once); err != nil || !slices.Equal(once, twice) {
			t.Errorf("%q, the second time %q: %v", once, twice, err)
		}
	})
}
