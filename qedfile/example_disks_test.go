package qedfile_test

import (
	"context"
	"fmt"
	"log"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// newImage makes an image in memory for the examples, over base if there is
// one.
func newImage(size int64, base backend.Reader) (*qedfile.Image, *backend.Memory) {
	file := backend.NewMemory(nil)
	opts := &qedfile.CreateOptions{}
	if base != nil {
		opts.BackingFile, opts.BackingRaw = "base.raw", true
		opts.Backing = func(qedfile.BackingRef) (qedfile.Disk, error) { return qedfile.NewRaw(base) }
	}
	img, err := qedfile.CreateIn(file, size, opts)
	if err != nil {
		log.Fatal(err)
	}
	return img, file
}

func ExampleCreateIn() {
	img, err := qedfile.CreateIn(backend.NewMemory(nil), 1<<30, &qedfile.CreateOptions{ClusterSize: 1 << 20})
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	h := img.Header()
	fmt.Println(img.Size(), h.ClusterSize, h.TableSize)
	// Output: 1073741824 1048576 4
}

func ExampleRaw() {
	disk, err := qedfile.NewRaw(backend.NewMemory([]byte("not a whole sector")))
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	if _, err := disk.WriteAt([]byte("now"), 0); err != nil {
		log.Fatal(err)
	}
	b := make([]byte, 18)
	if _, err := disk.ReadAt(b, 0); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d bytes: %s\n", disk.Size(), b)
	// Output: 512 bytes: now a whole sector
}

func ExampleImage_Check() {
	img, file := newImage(64<<20, nil)
	if _, err := img.WriteAt([]byte("data"), 1<<20); err != nil {
		log.Fatal(err)
	}
	if err := img.Sync(); err != nil {
		log.Fatal(err)
	}
	// A second L1 entry for the same table: whoever writes through one of
	// them changes what the other shows.
	entry := make([]byte, 8)
	file.ReadAt(entry, 64<<10)
	file.WriteAt(entry, 64<<10+8)

	damaged, err := qedfile.New(file.Clone(), &qedfile.Options{Writable: true, Dirty: qedfile.DirtyKeep})
	if err != nil {
		log.Fatal(err)
	}
	defer damaged.Close()
	for f, err := range damaged.Findings(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%v: L%d entry %d is %#x: %s\n", f.Kind, f.Level, f.Index, f.Entry, f.Why)
	}
	report, err := damaged.Check(context.Background(), &qedfile.CheckOptions{Repair: qedfile.RepairAll})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.CorruptionsFixed, "fixed,", report.Corruptions, "left")
	// Output:
	// corruption: L1 entry 1 is 0x60000: clusters of the table are in use elsewhere
	// 5 fixed, 0 left
}

func ExampleConvert() {
	src, _ := newImage(1<<40, nil)
	defer src.Close()
	if _, err := src.WriteAt([]byte("far away"), 1<<39); err != nil {
		log.Fatal(err)
	}
	file := backend.NewMemory(nil)
	dst, err := qedfile.NewRaw(file)
	if err != nil {
		log.Fatal(err)
	}
	if err := qedfile.Convert(context.Background(), dst, src, nil); err != nil {
		log.Fatal(err)
	}
	start, end, err := file.NextData(0)
	fmt.Println(dst.Size(), start, end-start, err)
	// Output: 1099511627776 549755813888 65536 <nil>
}

func ExampleCompare() {
	a, _ := newImage(1<<20, nil)
	b, _ := newImage(2<<20, nil)
	for _, img := range []*qedfile.Image{a, b} {
		defer img.Close()
		if _, err := img.WriteAt([]byte("same"), 0); err != nil {
			log.Fatal(err)
		}
	}
	show := func() {
		c, err := qedfile.Compare(context.Background(), a, b, nil)
		fmt.Println(c.Mismatch == qedfile.Identical, c.Offset, err)
	}
	show()
	if _, err := b.WriteAt([]byte{1}, 1<<20+5); err != nil {
		log.Fatal(err)
	}
	show()
	// Output:
	// true -1 <nil>
	// false 1048581 <nil>
}

func ExampleCommit() {
	base := backend.NewMemory([]byte("what was there before"))
	img, _ := newImage(1<<20, base)
	defer img.Close()
	if _, err := img.WriteAt([]byte("is now"), 5); err != nil {
		log.Fatal(err)
	}
	below := img.Backing().(qedfile.WritableDisk)
	if err := qedfile.Commit(context.Background(), below, img, &qedfile.CommitOptions{Empty: true}); err != nil {
		log.Fatal(err)
	}
	report, err := img.Check(context.Background(), nil)
	fmt.Printf("%s, %d clusters left (%v)\n", base.Bytes()[:21], report.AllocatedClusters, err)
	// Output: what is nowere before, 0 clusters left (<nil>)
}

func ExampleRebase() {
	img, _ := newImage(1<<20, backend.NewMemory([]byte("old base")))
	defer img.Close()
	next, err := qedfile.NewRaw(backend.NewMemory([]byte("new base")))
	if err != nil {
		log.Fatal(err)
	}
	if err := qedfile.Rebase(context.Background(), img, next, "new.raw", &qedfile.RebaseOptions{Raw: true}); err != nil {
		log.Fatal(err)
	}
	b := make([]byte, 8)
	_, err = img.ReadAt(b, 0)
	fmt.Printf("%s over %s (%v)\n", b, img.Header().BackingFile, err)
	// Output: old base over new.raw (<nil>)
}

func ExampleCompact() {
	src, before := newImage(16<<20, nil)
	defer src.Close()
	if _, err := src.WriteAt(make([]byte, 8<<20), 0); err != nil { // zeroes, but stored
		log.Fatal(err)
	}
	if _, err := src.WriteAt([]byte("data"), 0); err != nil {
		log.Fatal(err)
	}
	if err := src.Sync(); err != nil {
		log.Fatal(err)
	}
	after := backend.NewMemory(nil)
	if err := qedfile.Compact(context.Background(), after, src, nil); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(before.Bytes())>>16, "clusters,", len(after.Bytes())>>16, "when compact")
	// Output: 137 clusters, 10 when compact
}

func ExampleMeasure() {
	disk, _ := newImage(1<<30, nil)
	defer disk.Close()
	if _, err := disk.WriteAt(make([]byte, 100), 500<<20); err != nil {
		log.Fatal(err)
	}
	m, err := qedfile.Measure(context.Background(), disk, nil)
	fmt.Println(m.Required, m.FullyAllocated, err)
	// Output: 655360 1074331648 <nil>
}
