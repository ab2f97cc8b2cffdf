package main

import (
	"strings"

	"github.com/qedfs/qedfs/examples/qed/internal/longopt"
)

// qemuOptions are the options of qemu-img's subcommands, in the form of
// getopt(3): the letters, with a colon after those that take a value, and the
// long names, with an equals sign after those. In its place there are no others,
// so that abbreviations mean the same.
func qemuOptions() map[string][2]string {
	const images = "help object= image-opts"
	return map[string][2]string{
		"amend":    {"ho:f:t:pq", images + " force"},
		"bench":    {"hc:d:f:ni:o:qs:S:t:wU", "help flush-interval= image-opts pattern= no-drain force-share"},
		"check":    {"hf:r:T:qU", images + " format= repair= output= force-share"},
		"commit":   {"f:ht:b:dpqr:", images},
		"compare":  {"hf:F:T:pqsU", images + " force-share"},
		"convert":  {"hf:O:B:CcF:o:l:S:pt:T:qnm:WUr:", images + " force-share target-image-opts salvage target-is-zero bitmaps skip-broken-bitmaps"},
		"create":   {"F:b:f:ho:qu", "help object="},
		"dd":       {"hf:O:U", images + " force-share"},
		"info":     {"f:hU", images + " format= output= backing-chain force-share"},
		"map":      {"f:s:l:hU", images + " format= output= force-share start-offset= max-length="},
		"measure":  {"hf:O:o:l:U", images + " output= size= force-share"},
		"rebase":   {"hf:F:b:upt:T:qU", images + " force-share"},
		"resize":   {"f:hq", images + " preallocation= shrink"},
		"snapshot": {"la:c:d:hqU", images + " force-share"},
	}
}

// qemuOptionSet is the options of a subcommand of qemu-img.
func qemuOptionSet(name string) (*longopt.Set, bool) {
	spec, ok := qemuOptions()[name]
	if !ok {
		return nil, false
	}
	set := &longopt.Set{Command: name, Short: strings.ReplaceAll(spec[0], ":", ""), Long: map[string]bool{}}
	for i := range spec[0] {
		if i > 0 && spec[0][i] == ':' {
			set.ShortWithValue += spec[0][i-1 : i]
		}
	}
	for _, long := range strings.Fields(spec[1]) {
		name, takes := strings.CutSuffix(long, "=")
		set.Long[name] = takes
	}
	return set, true
}
