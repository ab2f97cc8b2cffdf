package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestUnknownOptionsSayWhatToDo(t *testing.T) {
	for command, options := range unlike() {
		for option, hint := range options {
			word := "--" + option
			if len(option) == 1 {
				word = "-" + option
			}
			var stderr bytes.Buffer
			var stdin, stdout bytes.Buffer
			code := runAs(context.Background(), programOf("qed"), []string{command, word, "disk.qed", "a", "b"}, &stdin, &stdout, &stderr)
			if code == exitOK || !strings.Contains(stderr.String(), "there is no "+word+": "+hint) {
				t.Errorf("qed %s %s: exit code %d, %s", command, word, code, &stderr)
			}
		}
	}
}
