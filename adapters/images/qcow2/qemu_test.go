package qcow2_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/images/internal/imagetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// option is a value of qemu-img create's -o.
type option struct {
	name   string
	values []string
}

// createOptions are all that decide how an image is laid out.
var createOptions = []option{
	{"cluster_size", []string{"512", "1024", "4096", "16384", "65536", "262144", "2097152"}},
	{"compat", []string{"0.10", "1.1", "1.1", "1.1"}},
	{"compression_type", []string{"zlib", "zstd"}},
	{"extended_l2", []string{"off", "on"}},
	{"lazy_refcounts", []string{"off", "on"}},
	{"preallocation", []string{"off", "off", "off", "metadata", "falloc", "full"}},
	{"refcount_bits", []string{"16", "1", "64", "2", "8"}},
	{"data_file", []string{"", "", "", "data.raw"}},
	{"data_file_raw", []string{"off", "on"}},
}

// randomOptions chooses options that go together.
func randomOptions(rnd *rand.Rand) map[string]string {
	for {
		o := make(map[string]string)
		for _, opt := range createOptions {
			o[opt.name] = opt.values[rnd.IntN(len(opt.values))]
		}
		old := o["compat"] == "0.10"
		small := len(o["cluster_size"]) < 5
		switch {
		case old && (o["compression_type"] != "zlib" || o["extended_l2"] == "on" || o["lazy_refcounts"] == "on" || o["refcount_bits"] != "16" || o["data_file"] != ""):
		case o["extended_l2"] == "on" && small:
		case o["data_file"] == "" && o["data_file_raw"] == "on":
		case o["data_file_raw"] == "on" && o["lazy_refcounts"] == "on":
		default:
			return o
		}
	}
}

// create makes an image with these options, and returns what to say of them.
func create(t *testing.T, name string, size int64, o map[string]string, more ...string) string {
	t.Helper()
	var list []string
	for _, opt := range createOptions {
		if v := o[opt.name]; v != "" {
			if opt.name == "data_file" {
				v = filepath.Join(filepath.Dir(name), v)
			}
			list = append(list, opt.name+"="+v)
		}
	}
	args := append([]string{"create", "-q", "-f", "qcow2", "-o", strings.Join(list, ",")}, more...)
	oracle.Run(t, "qemu-img", append(args, name, fmt.Sprint(size))...)
	return strings.Join(list, " ")
}

// history is random writes of every kind that the image takes.
func history(rnd *rand.Rand, size int64, o map[string]string, n int) []string {
	var cluster int64
	fmt.Sscan(o["cluster_size"], &cluster)
	unmap := func(off, length int64) string { return fmt.Sprintf("write -q -z -u %d %d", off, length) }
	discard := func(off, length int64) string { return fmt.Sprintf("discard -q %d %d", off, length) }
	extra := []func(off, length int64) string{unmap, discard}
	// With refcounts of two bits qemu-img 7.2 itself breaks images: compressed
	// clusters share one of the file's until its count is full, and the next
	// write overwrites them (its own check then finds errors).
	if o["data_file"] == "" && o["refcount_bits"] != "2" {
		packed := func(off, length int64) string {
			return fmt.Sprintf("write -q -c -P %d %d %d", 1+rnd.IntN(255), off, cluster)
		}
		extra = append(extra, packed, packed, packed)
	}
	commands := imagetest.RandomIO(rnd, size, cluster, n, extra...)
	// Compressed writes come first: qemu-img 7.2 itself breaks an image where the
	// file's cluster that it packs into is freed and used for something else
	// before the next compressed write of the run, which still goes into it.
	slices.SortStableFunc(commands, func(a, b string) int {
		return cmp.Compare(strings.Count(b, " -c "), strings.Count(a, " -c "))
	})
	return commands
}

func TestImagesOfQemuReadAsQemuReadsThem(t *testing.T) {
	rnd := oracle.Seed(t)
	n := 25
	if testing.Short() {
		n = 8
	}
	if oracle.Long() {
		n = 300
	}
	for range n {
		o := randomOptions(rnd)
		size := 1<<20 + 512*rnd.Int64N(4000)
		if o["cluster_size"] == "2097152" {
			size += 40 << 20
		}
		name := filepath.Join(t.TempDir(), "a.qcow2")
		desc := create(t, name, size, o)
		t.Run(desc, func(t *testing.T) {
			if rnd.IntN(8) > 0 {
				imagetest.QemuIO(t, "qcow2", name, history(rnd, size, o, 30)...)
			}
			d := imagetest.Open(t, "qcow2", name)
			imagetest.SameBytes(t, rnd, d, imagetest.QemuRaw(t, "qcow2", name))
			imagetest.SameMap(t, d, "qcow2", name)
		})
	}
}

// TestZeroesAtTheBeginningOfADataFileHaveNoPlace: an entry with offset 0 is that
// of the first cluster of a data file only where it holds data.
func TestZeroesAtTheBeginningOfADataFileHaveNoPlace(t *testing.T) {
	for _, raw := range []string{"on", "off"} {
		name := filepath.Join(t.TempDir(), "a.qcow2")
		oracle.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", "data_file="+name+".data,data_file_raw="+raw, name, "1M")
		imagetest.QemuIO(t, "qcow2", name, "write -q -P 1 0 192k", "write -q -z 0 64k", "write -q -z 128k 64k")
		imagetest.SameMap(t, imagetest.Open(t, "qcow2", name), "qcow2", name)
	}
}
