package main

import (
	"strings"
	"testing"
)

func TestTheFilesOfAllPartitionsAreListed(t *testing.T) {
	var b strings.Builder
	if err := list(&b, "../../testdata/gpt.qed"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`-rw-r--r--       47 "p2/etc/os-release"` + "\n",
		`Lrwxrwxrwx       16 "p2/etc/hello"` + "\n",
		`"p1/EFI/BOOT/BOOTX64.EFI"` + "\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, &b)
		}
	}
	if err := list(&b, "../../testdata/missing.qed"); err == nil {
		t.Error("a missing image is no error")
	}
}
