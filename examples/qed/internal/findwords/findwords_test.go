package findwords_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/examples/qed/internal/findwords"
	"github.com/qedfs/qedfs/examples/qed/internal/longopt"
)

func options() *longopt.Set {
	return &longopt.Set{
		Long: map[string]bool{
			"name": true, "path": true, "type": true, "empty": false, "not": false, "or": false, "and": false, "left": false,
			"right": false, "print0": false, "max-depth": true, "newer": true, "extension": true,
		},
		ShortWithValue: "etd",
	}
}

func TestTranslate(t *testing.T) {
	for args, want := range map[string]string{
		"x -name *.c -o -empty":           "x --name *.c --or --empty",
		"( -name ! ) ! -name -o -a -type": "--left --name ! --right --not --name -o --and --type",
		"-maxdepth 3 --maxdepth=4":        "--max-depth 3 --max-depth=4",
		"-newermt -5 -0 -print0":          "--newer -5 -0 --print0",
		"-e -name -name x":                "-e -name --name x",
		"-0e -name -name x":               "-0e -name --name x",
		"-ename -name x":                  "-ename --name x",
		"-- -name":                        "-- -name",
		"-unknown --unknown -x - -5":      "-unknown --unknown -x - -5",
		"-wholename a --iwholename b":     "--path a --ipath b",
		"--name -exec -name=x":            "--name -exec -name=x",
	} {
		got, err := findwords.Translate(options(), strings.Fields(args))
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v; want %s", args, got, err, want)
		}
	}
}

func TestWhatFindHasAndWeHaveNotSaysWhatToUse(t *testing.T) {
	for word, instead := range map[string]string{
		"-exec": "xargs", "-execdir": "xargs", "--exec": "xargs", "-ls": "--long", "-printf": "json", "-L": "slash", "-xdev": "volume", "-delete": "not changed",
	} {
		_, err := findwords.Translate(options(), []string{"-name", "-exec", word})
		var unknown *findwords.UnknownError
		if !errors.As(err, &unknown) || unknown.Word != word || !strings.Contains(err.Error(), instead) {
			t.Errorf("%s: %v", word, err)
		}
	}
}

func FuzzTranslate(f *testing.F) {
	f.Add("-name\n-o\n(\n--\n-exec")
	f.Fuzz(func(t *testing.T, lines string) {
		args := strings.Split(lines, "\n")
		once, err := findwords.Translate(options(), args)
		if err != nil {
			return
		}
		if len(once) != len(args) {
			t.Fatalf("%q: %q", args, once)
		}
		twice, err := findwords.Translate(options(), once)
		if err != nil || !slices.Equal(once, twice) {
			t.Errorf("%q: first %q, then %q, %v", args, once, twice, err)
		}
	})
}
