package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// A foreignImage is an image of another format, with options of qemu-img's -o.
// An @ in them stands for a name of its own.
type foreignImage struct{ format, options string }

// foreignImages are the forms that qemu-img makes and whose map it shows.
func foreignImages() []foreignImage {
	var list []foreignImage
	add := func(format string, options ...string) {
		for _, o := range options {
			list = append(list, foreignImage{format, o})
		}
	}
	add("qcow2", "cluster_size=512", "cluster_size=4k", "cluster_size=64k", "cluster_size=2M", "compat=0.10", "extended_l2=on",
		"lazy_refcounts=on", "refcount_bits=1", "refcount_bits=64", "compression_type=zstd", "preallocation=metadata",
		"preallocation=falloc", "preallocation=full", "preallocation=metadata,extended_l2=on", "data_file=@.data",
		"data_file=@.data,data_file_raw=on", "data_file=@.data,preallocation=metadata")
	add("vmdk", "subformat=monolithicSparse", "subformat=monolithicFlat", "subformat=twoGbMaxExtentSparse",
		"subformat=twoGbMaxExtentFlat", "zeroed_grain=on", "adapter_type=lsilogic,hwversion=10,toolsversion=5")
	add("vdi", "static=off", "static=on")
	add("vpc", "subformat=dynamic", "subformat=fixed", "subformat=fixed,force_size=on")
	return list
}

// make makes one of the size with qemu-img, and has qemu-io write to it.
func (m foreignImage) make(t *testing.T, rng *rand.Rand, name string, size int64) {
	t.Helper()
	options := strings.ReplaceAll(m.options, "@", strings.TrimSuffix(name, "."+m.format))
	oracle.Run(t, "qemu-img", "create", "-q", "-f", m.format, "-o", options, name, fmt.Sprint(size))
	args := []string{"-f", m.format, "-c", "length"}
	for range rng.IntN(10) {
		args = append(args, "-c", randomWrite(rng, size))
	}
	oracle.Run(t, "qemu-io", append(args, name)...)
}

// randomWrite is a write that most often begins and ends inside of clusters, so
// that files have holes between what is in use.
func randomWrite(rng *rand.Rand, size int64) string {
	off := rng.Int64N(size / 512)
	n := min(size/512-off, 1<<rng.IntN(12)) * 512
	off *= 512
	switch rng.IntN(6) {
	case 0:
		return fmt.Sprintf("write -q -z %d %d", off, n)
	case 1:
		return fmt.Sprintf("discard -q %d %d", off, n)
	}
	return fmt.Sprintf("write -q -P %d %d %d", 1+rng.IntN(255), off, n)
}

// TestOtherFormatsAreDescribedAsQemuImgDescribesThem looks at images of other
// formats, by themselves and beneath a QED and a qcow2 image, and compares what
// each subcommand prints to the letter.
func TestOtherFormatsAreDescribedAsQemuImgDescribesThem(t *testing.T) {
	oracle.Tool(t, "qemu-img")
	rng := oracle.Seed(t)
	all := foreignImages()
	if !oracle.Long() {
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:rounds()]
	}
	for i, m := range all {
		t.Chdir(t.TempDir())
		size := (1<<20 + rng.Int64N(20<<20)) &^ 511
		name := fmt.Sprintf("%d.%s", i, m.format)
		m.make(t, rng, name, size)
		oracle.Run(t, "qemu-img", "convert", "-f", m.format, "-O", "raw", name, "same.raw")
		agree(t, "compare", "-f", m.format, "-F", "raw", name, "same.raw")
		agreeOn(t, m.format, name)
		for _, options := range []string{"cluster_size=4k", "extended_l2=on", "compat=0.10", "refcount_bits=64", "refcount_bits=1,cluster_size=512", "preallocation=metadata", "preallocation=full"} {
			agree(t, "measure", "-O", "qcow2", "-o", options, "--output=json", "-f", m.format, name)
		}
		if m.format == "vpc" {
			continue // without a format told, qemu-img takes the fixed ones for raw disks
		}
		for _, top := range []string{"qed", "qcow2"} {
			over := "top." + top
			oracle.Run(t, "qemu-img", "create", "-q", "-f", top, "-b", name, "-F", m.format, over)
			oracle.Run(t, "qemu-io", "-f", top, "-c", randomWrite(rng, size), "-c", "length", over)
			agreeOn(t, top, over)
			agree(t, "info", "--backing-chain", over)
			agree(t, "info", "--backing-chain", "--output=json", over)
		}
		if t.Failed() {
			t.Fatalf("image %d is %v", i, m)
		}
	}
}

// agreeOn compares what describes one image.
func agreeOn(t *testing.T, format, name string) {
	t.Helper()
	for _, args := range [][]string{
		{"info"}, {"info", "--output=json"}, {"map"}, {"map", "--output=json"}, {"map", "--output=json", "-s", "1M", "-l", "70000"},
		{"measure", "-O", "raw"}, {"measure", "-O", "qcow2"}, {"measure", "-O", "qcow2", "--output=json"},
	} {
		agree(t, append(args, "-f", format, name)...)
	}
	if format != "vpc" { // qemu-img has no check of it
		agree(t, "check", "-f", format, name)
		agreeJSON(t, "check", "-f", format, name)
	}
}

func TestMeasureCountsSnapshotsAndBitmapsAsQemuImgDoes(t *testing.T) {
	oracle.Tool(t, "qemu-img")
	t.Chdir(t.TempDir())
	ours(t, "create", "-q", "-f", "qcow2", "a.qcow2", "100M")
	oracle.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -q 1M 3M", "a.qcow2")
	oracle.Run(t, "qemu-img", "snapshot", "-c", "one", "a.qcow2")
	oracle.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -q 50M 1M", "a.qcow2")
	for _, bitmap := range [][]string{{"--add"}, {"--add", "-g", "4k"}, {"--add", "--disable", "-g", "1M"}} {
		name := fmt.Sprint("bitmap", len(bitmap), strings.Repeat("x", len(bitmap)))
		oracle.Run(t, "qemu-img", append(append([]string{"bitmap"}, bitmap...), "a.qcow2", name)...)
	}
	for _, args := range [][]string{
		{}, {"-l", "one"}, {"-l", "snapshot.name=one"}, {"-l", "snapshot.id=1"}, {"-o", "cluster_size=512"}, {"-o", "compat=0.10"},
		{"-o", "backing_file=x,backing_fmt=raw"}, {"-o", "data_file=x"},
	} {
		agree(t, append(append([]string{"measure", "-O", "qcow2"}, args...), "a.qcow2")...)
	}
	for _, size := range []string{"0", "1", "512", "1G", "1T", "64T"} {
		agree(t, "measure", "-O", "qcow2", "--size", size)
		agree(t, "measure", "-O", "qcow2", "-o", "refcount_bits=64,cluster_size=2M", "--output=json", "--size", size)
	}
}
