package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// A lineOption is an option of a subcommand: its spellings, and values that it
// may have, good ones and bad ones; none takes no value.
type lineOption struct {
	names  []string
	values []string
}

// A lineCommand is a subcommand of qemu-img for random command lines.
type lineCommand struct {
	name     string
	options  []lineOption
	operands [][]string // the values of each operand
}

// Values that several subcommands take. What the table in README.md says to
// differ is left out.
func lineCommands() []lineCommand {
	disks := []string{"base.qed", "base.raw", "over.qed", "other.qed", "big.qed", "orphan.qed", "junk", "nothere", "dir", "-", "file:base.qed", `json:{"driver":"qed","file.filename":"base.qed"}`}
	ours := []string{"base.qed", "over.qed", "other.qed", "big.qed"}
	sizes := []string{"64k", "1M", "1.5M", "0", "512", "1000", "-1", "abc", "1Q", "9E", "0x10000"}
	flag := func(names ...string) lineOption { return lineOption{names: names} }
	value := func(values []string, names ...string) lineOption { return lineOption{names, values} }
	formats := []string{"qed", "raw", "bogus"}
	described := flag("--image-opts")
	object := value([]string{"secret,id=sec0,data=x", "secret", "bogus,id=x", "id=x", ""}, "--object")
	share := flag("-U", "--force-share")
	quiet := flag("-q")
	format := value(formats, "-f")
	output := value([]string{"human", "json", "bogus"}, "--output")
	caches := []string{"none", "writeback", "unsafe", "directsync", "writethrough", "bogus"}
	cache, source := value(caches, "-t"), value(caches, "-T")
	created := value([]string{
		"cluster_size=4k", "cluster_size=64k,table_size=2", "table_size=3", "cluster_size=1", "size=1M", "size=abc", "nocow=on", "nocow=maybe", "preallocation=full",
		"preallocation=falloc", "preallocation=metadata", "preallocation=bogus", "extent_size_hint=1M", "backing_file=base.qed", "backing_fmt=qed",
		"backing_file=base.qed,backing_fmt=qed", "backing_fmt=bogus", "bogus=1", "bogus", "", "cluster_size", "cluster_size=", "help=1", ",", "cluster_size=4k,", "a,,b=c",
	}, "-o")
	return []lineCommand{
		{name: "info", options: []lineOption{format, value(formats, "--format"), output, flag("--backing-chain"), described, object, share}, operands: [][]string{append(disks, "leaky.qed")}},
		{name: "map", options: []lineOption{format, output, described, object, share, value(sizes, "-s", "--start-offset"), value(sizes, "-l", "--max-length")}, operands: [][]string{disks}},
		{name: "check", options: []lineOption{format, output, described, object, share, quiet, source}, operands: [][]string{slices.DeleteFunc(slices.Clone(disks), func(s string) bool { return s == "orphan.qed" })}},
		{name: "compare", options: []lineOption{format, value(formats, "-F"), flag("-p"), quiet, flag("-s"), value([]string{"writeback", "unsafe", "bogus"}, "-T"), described, object, share}, operands: [][]string{disks, disks}},
		{name: "measure", options: []lineOption{value([]string{"raw", "bogus"}, "-O"), format, output, described, object, share, value(sizes, "--size"), value([]string{"help", "bogus=1", "size=1M"}, "-o")}, operands: [][]string{disks}},
		{name: "create", options: []lineOption{
			value([]string{"qed", "raw", "bogus"}, "-f"), value([]string{"base.qed", "base.raw", "nothere", "x.qed", ""}, "-b"), value([]string{"qed", "raw", "bogus"}, "-F"), created, quiet, object, flag("-u"),
		}, operands: [][]string{{"x.qed", "x", "nodir/x", "dir", "base.qed"}, sizes}},
		{name: "convert", options: []lineOption{
			format, value([]string{"qed", "raw", "bogus"}, "-O"), created, value([]string{"base.qed", "nothere"}, "-B"), value([]string{"qed", "raw"}, "-F"), flag("-p"), quiet, flag("-W"), flag("-C"), flag("-c"), flag("--salvage"),
			flag("--target-is-zero"), cache, source, described, object, share, value([]string{"1", "4", "16", "0", "17", "x"}, "-m"), value([]string{"0", "4k", "64k", "1", "x"}, "-S"),
			value([]string{"1M", "x"}, "-r"), value([]string{"s", "snapshot.id=1"}, "-l"), flag("--bitmaps"), flag("--skip-broken-bitmaps"), flag("--target-image-opts"),
		}, operands: [][]string{disks, {"out", "out.qed", "nodir/out", "dir"}}},
		{name: "resize", options: []lineOption{format, quiet, flag("--shrink"), value([]string{"off", "full", "falloc", "metadata", "bogus", ""}, "--preallocation"), described, object}, operands: [][]string{disks, {"64k", "1M", "1.5M", "0", "512", "1000", "-1", "abc", "1Q", "+1M", "-64k", "+abc", "+", "2M"}}},
		{name: "rebase", options: []lineOption{value([]string{"base.qed", "other.qed", "base.raw", "nothere", ""}, "-b"), value([]string{"qed", "raw", "bogus"}, "-F"), format, cache, source, flag("-p"), quiet, flag("-u"), share, described, object}, operands: [][]string{ours}},
		{name: "commit", options: []lineOption{format, cache, value([]string{"base.qed", "nothere"}, "-b"), value([]string{"1M", "x"}, "-r"), flag("-d"), flag("-p"), quiet, described, object}, operands: [][]string{disks}},
		{name: "amend", options: []lineOption{format, created, cache, flag("-p"), quiet, flag("--force"), described, object}, operands: [][]string{disks}},
		{name: "bench", options: []lineOption{
			value([]string{"4", "1", "x", "-1"}, "-c"), value([]string{"1", "2", "x"}, "-d"), format, value([]string{"1", "0", "x"}, "--flush-interval"), value([]string{"threads", "bogus"}, "-i"), flag("-n"), flag("--no-drain"),
			value([]string{"0", "4k", "x"}, "-o"), value([]string{"3", "256", "x"}, "--pattern"), quiet, value([]string{"512", "4k", "x"}, "-s"), value([]string{"512", "x"}, "-S"), cache, flag("-w"), described, share,
		}, operands: [][]string{ours}},
		{name: "dd", options: []lineOption{format, value([]string{"qed", "raw", "bogus"}, "-O"), described, object, share}, operands: [][]string{{"if=base.qed", "if=base.raw", "if=nothere", "if=", "if"}, {"of=out", "of=nodir/out", "of="}, {"bs=1k", "bs=4096", "bs=0", "bs=x", "bs=3G", "bogus=1", "bogus"}}},
		{name: "snapshot", options: []lineOption{flag("-l"), value([]string{"s"}, "-c"), value([]string{"s"}, "-d"), value([]string{"s"}, "-a"), quiet, share, described, object}, operands: [][]string{{"base.qed", "base.raw", "nothere"}}},
	}
}

// randomLine is a command line, more often right than wrong.
func randomLine(rng *rand.Rand) []string {
	all := lineCommands()
	c := all[rng.IntN(len(all))]
	var words [][]string
	for _, values := range c.operands {
		if rng.IntN(15) > 0 {
			words = append(words, []string{oneOfValues(rng, values)})
		}
	}
	if rng.IntN(25) == 0 {
		words = append(words, []string{"extra"})
	}
	var options [][]string
	for range rng.IntN(4) {
		options = append(options, randomOption(rng, c.options[rng.IntN(len(c.options))]))
	}
	if c.name == "bench" {
		options = append(options, []string{"-c", "4"}) // the default takes long
	}
	none := 30
	if c.name == "measure" {
		none = 1 << 20 // its own answer is the help text
	}
	switch rng.IntN(none) {
	case 0:
		options = append(options, []string{"-Z"})
	case 1:
		options = append(options, []string{"--bogus"})
	case 2:
		words = append([][]string{{"--"}}, words...)
	}
	for _, o := range options { // getopt takes them wherever they stand
		at := 0
		if rng.IntN(4) == 0 {
			at = rng.IntN(len(words) + 1)
		}
		words = slices.Insert(words, at, o)
	}
	described := slices.ContainsFunc(words, func(w []string) bool { return strings.HasPrefix(w[0], "--i") })
	for i, w := range words {
		if described && strings.HasPrefix(w[0], "json:") { // its commas would part it
			words[i] = []string{"driver=qed,file.filename=base.qed"}
		}
	}
	return append([]string{c.name}, slices.Concat(words...)...)
}

func oneOfValues(rng *rand.Rand, values []string) string { return values[rng.IntN(len(values))] }

// randomOption is an option, long ones now and then abbreviated.
func randomOption(rng *rand.Rand, o lineOption) []string {
	name := oneOfValues(rng, o.names)
	long := strings.HasPrefix(name, "--")
	if long && rng.IntN(4) == 0 {
		name = name[:3+rng.IntN(len(name)-2)]
	}
	switch {
	case o.values == nil && long && rng.IntN(20) == 0:
		return []string{name + "=x"}
	case o.values == nil:
		return []string{name}
	case long && rng.IntN(2) == 0:
		return []string{name + "=" + oneOfValues(rng, o.values)}
	}
	return []string{name, oneOfValues(rng, o.values)}
}

func TestRandomLinesInThePlaceOfQemuImg(t *testing.T) {
	if !oracle.Long() {
		t.Skip("a long run")
	}
	oracle.Tool(t, "qemu-img")
	rng := oracle.Seed(t)
	images := t.TempDir()
	t.Chdir(images)
	lineImages(t)
	lines := 40
	switch {
	case testing.Short():
		lines = 10
	case oracle.Long():
		lines = 400
	}
	for range lines {
		args := randomLine(rng)
		compareLine(t, images, "qemu-img", fmt.Sprintf("%q", args), args)
	}
}

// compareLine gives a command line to one of qemu's tools and to the command in
// its place, each in a copy of a directory.
func compareLine(t *testing.T, images, tool, line string, args []string) {
	t.Helper()
	var answers [2]reply
	var disks [2]map[string]string
	for i, answer := range []func(*testing.T, string, []string) reply{qemuReply, ourReply} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(images)); err != nil {
			t.Fatal(err)
		}
		t.Chdir(dir)
		answers[i] = answer(t, tool, args)
		if answers[i].code == 0 && changes(args) {
			disks[i] = shows(t, dir, images)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	if answers[0] != answers[1] {
		t.Errorf("%s\nqemu:\n%+v\nours:\n%+v", line, answers[0], answers[1])
	}
	for name, want := range disks[0] {
		if disks[1][name] != want {
			t.Errorf("%s: %s differs", line, name)
		}
	}
	if len(disks[0]) != len(disks[1]) {
		t.Errorf("%s: %d disks, want %d", line, len(disks[1]), len(disks[0]))
	}
}
