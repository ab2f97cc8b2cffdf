package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestTheToolsOfAferoWorkOnAnImageAndLeaveItAsItIs(t *testing.T) {
	const image = "../../testdata/gpt.qed"
	before, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := run(&b, image); err != nil {
		t.Fatal(err)
	}
	want := `8 files, 311265 bytes
p2/etc/os-release:
NAME="Example Linux"
ID=example
VERSION_ID="1"
p2/etc/os-release, changed in memory:
ID=mine
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
	if after, err := os.ReadFile(image); !bytes.Equal(before, after) || err != nil {
		t.Errorf("the image has changed, or %v", err)
	}
	if err := run(&b, "../../testdata/missing.qed"); err == nil {
		t.Error("a missing image is no error")
	}
}
