package probe_test

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
)

func ExampleIdentify() {
	volume := make([]byte, 64<<10)
	copy(volume[4086:], "SWAPSPACE2")
	copy(volume[1024:], "\x01\x00\x00\x00") // version
	copy(volume[1024+28:], "paging")

	sig, err := probe.Identify(bytes.NewReader(volume), int64(len(volume)))
	fmt.Println(sig.Type, sig.Label, err)
	// Output: swap paging <nil>
}

// What is recognised has a name that can be compared with that of an fstab.
func ExampleSignature() {
	var sig probe.Signature
	sig, err := probe.Identify(strings.NewReader(strings.Repeat("\x00", 64<<10)), 64<<10)
	fmt.Println(sig == probe.Signature{}, err) // nothing is recognised, and that is no error
	// Output: true <nil>
}
