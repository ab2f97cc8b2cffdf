package probe_test

import (
	"bytes"
	"fmt"

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
