package optlist_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/examples/qed/internal/optlist"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		list string
		want []optlist.Option
	}{
		{"", nil},
		{"a=1", []optlist.Option{{Name: "a", Value: "1"}}},
		{"a=1,b", []optlist.Option{{Name: "a", Value: "1"}, {Name: "b", Value: "on", Bare: true, Word: "b"}}},
		{"noa,no", []optlist.Option{{Name: "a", Value: "off", Bare: true, Word: "noa"}, {Value: "off", Bare: true, Word: "no"}}},
		{"a=x,,y,b=", []optlist.Option{{Name: "a", Value: "x,y"}, {Name: "b"}}},
		{"a=,,,,", []optlist.Option{{Name: "a", Value: ",,"}}},
		{"a=b=c", []optlist.Option{{Name: "a", Value: "b=c"}}},
	} {
		if got, err := optlist.Parse(c.list); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %+v, %v", c.list, got, err)
		}
	}
	for _, list := range []string{",", "a=1,", ",a=1", "a=,,,", "a,,,b,"} {
		if got, err := optlist.Parse(list); !errors.Is(err, optlist.ErrSyntax) {
			t.Errorf("%q: %+v, %v", list, got, err)
		}
	}
}

func TestParseLoose(t *testing.T) {
	for list, want := range map[string][]optlist.Option{
		"":       nil,
		"a=1,":   {{Name: "a", Value: "1"}},
		"a=1,,,": {{Name: "a", Value: "1,"}},
		",a=1":   {{Value: "on", Bare: true}, {Name: "a", Value: "1"}},
		"a=1,b":  {{Name: "a", Value: "1"}, {Name: "b", Value: "on", Bare: true, Word: "b"}},
	} {
		if got := optlist.ParseLoose(list); !slices.Equal(got, want) {
			t.Errorf("%q: %+v", list, got)
		}
	}
}

func TestSwitch(t *testing.T) {
	for _, word := range []string{"on", "yes", "true", "y"} {
		if on, ok := optlist.Switch(word); !on || !ok {
			t.Errorf("%s: %v, %v", word, on, ok)
		}
	}
	for _, word := range []string{"off", "no", "false", "n"} {
		if on, ok := optlist.Switch(word); on || !ok {
			t.Errorf("%s: %v, %v", word, on, ok)
		}
	}
	for _, word := range []string{"", "On", "1", "maybe"} {
		if _, ok := optlist.Switch(word); ok {
			t.Errorf("%s is a switch", word)
		}
	}
}

func TestAsksForHelp(t *testing.T) {
	for list, want := range map[string]bool{"help": true, "?": true, "a=1,help": true, "help=1": false, "a=help": false, "": false} {
		options, err := optlist.Parse(list)
		if err != nil || optlist.AsksForHelp(options) != want {
			t.Errorf("%q: %v, %v", list, !want, err)
		}
	}
}

// FuzzParse: what was read can be written and read again.
func FuzzParse(f *testing.F) {
	f.Add("a=x,,y,b")
	f.Add(",,,")
	f.Fuzz(func(t *testing.T, list string) {
		options, err := optlist.Parse(list)
		if err != nil {
			return
		}
		var written []string
		for _, o := range options {
			text := optlist.Escape(o.Word)
			if !o.Bare {
				text = optlist.Escape(o.Name) + "=" + optlist.Escape(o.Value)
			}
			written = append(written, text)
		}
		again, err := optlist.Parse(strings.Join(written, ","))
		if err != nil || !slices.Equal(options, again) {
			t.Errorf("%q: %+v, again %+v, %v", list, options, again, err)
		}
	})
}
