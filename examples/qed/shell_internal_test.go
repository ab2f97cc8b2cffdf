package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

func TestWordsAreSplitAsAShellDoes(t *testing.T) {
	for line, want := range map[string][]string{
		"":                    nil,
		"  \t ":               nil,
		"ls -l  /etc ":        {"ls", "-l", "/etc"},
		`a "b c" 'd "e' f\ g`: {"a", "b c", `d "e`, "f g"},
		`"a\"b\\c\d" 'e\f'`:   {`a"b\c\d`, `e\f`},
		`a""b "" ''`:          {"ab", "", ""},
		`a # b`:               {"a"},
		`a#b \# "#"`:          {"a#b", "#", "#"},
		`end\`:                {`end\`},
		"a\r":                 {"a"},
	} {
		if got, err := splitWords(line); !slices.Equal(got, want) || err != nil {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
	for _, line := range []string{`"a`, `'a`, `a "b\"`} {
		if got, err := splitWords(line); err == nil {
			t.Errorf("%q: %q", line, got)
		}
	}
	for _, word := range []string{"a", "a b", `"'\`, "#a", "*?[]{}", "ä"} {
		if got, err := splitWords("x " + quoteWord(word)); err != nil || !slices.Equal(got, []string{"x", word}) {
			t.Errorf("%q: %q, %v", word, got, err)
		}
	}
}

func TestTabCompletesCommandsAndPaths(t *testing.T) {
	d, err := imagefs.Open("../../testdata/guest/debian.qed", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	volumes, err := d.Volumes()
	if err != nil {
		t.Fatal(err)
	}
	f := &files{Disk: d, tree: newDiskTree(d, ""), volumes: volumes}
	s := &shell{app: &app{}, files: f, names: []string{"ls", "stat"}}
	for _, c := range []struct{ dir, line, want, shown string }{
		{"/", "l|", "", "less  ls"},
		{"/", "ls|", "ls |", ""},
		{"/", "st|", "stat |", ""},
		{"/", "  pw|", "  pwd |", ""},
		{"/", "x|", "", ""},
		{"/", "ls bo|", "ls boot/|", ""},
		{"/", "ls bo| more", "ls boot/| more", ""},
		{"/", "cat etc/host|", "cat etc/hostname |", ""},
		{"/", "cat /boot/v|", "cat /boot/vmlinuz-6.1.0-18-amd64 |", ""},
		{"/boot", "cat v|", "cat vmlinuz-6.1.0-18-amd64 |", ""},
		{"/boot", "cat ../etc/hostn|", "cat ../etc/hostname |", ""},
		{"/", "ls s|", "", "sbin/  shared/  srv/"}, // a link to a directory is one
		{"/", "ls sr|", "ls srv/|", ""},
		{"/", "ls |", "", "bin/  boot/  etc/  home/  lib/  lost+found/  media/  mnt/  net/  note  proc/  root/  sbin/  shared/  srv/  tmp/  usr/  var/"},
		{".", "ls p|", "", "p1/  p2/  p3/  p4/"},
		{".", "ls p4/u|", "ls p4/user/|", ""},
		{"p4", "ls u|", "ls user/|", ""},
		{"/", "ls nowhere/|", "", ""},
		{"/", `cat "et|`, "", ""},
		{"/", "cat \"etc\"/hostn|", "cat etc/hostname |", ""},
	} {
		s.dir = c.dir
		var shown strings.Builder
		pos := strings.Index(c.line, "|")
		line, at, ok := s.complete(&shown, strings.Replace(c.line, "|", "", 1), pos)
		got := ""
		if ok {
			got = line[:at] + "|" + line[at:]
		}
		if got != c.want || strings.TrimSpace(shown.String()) != c.shown {
			t.Errorf("%s: %q: %q, %q", c.dir, c.line, got, shown.String())
		}
	}
	if got := wordStart(`ls a\ b`); got != 3 {
		t.Errorf("a space that is quoted: %d", got)
	}
	if got := wordStart(`ls "a b`); got != 3 {
		t.Errorf("a quote without an end: %d", got)
	}
}
