package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	dir, err := filepath.Abs("../../../../testdata")
	if err != nil {
		t.Fatal(err)
	}
	image := "file://" + filepath.ToSlash(dir) + "/gpt.qed"
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"volumes", image}, "p2\text4"},
		{[]string{"ls", image, "p2/etc"}, "\"p2/etc/hostname\"\n"},
		{[]string{"cat", image, "p2/etc/hostname"}, "example\n"},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), tt.args, &out); err != nil || !strings.Contains(out.String(), tt.says) {
			t.Errorf("%v: %v, %s", tt.args, err, out.String())
		}
	}
	for _, args := range [][]string{nil, {"ls"}, {"none", image}, {"cat", image, "none"}, {"ls", image + "x"}, {"ls", "gopher://x/y"}} {
		if err := run(t.Context(), args, new(bytes.Buffer)); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
