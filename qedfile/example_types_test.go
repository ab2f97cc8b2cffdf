package qedfile_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// What is wrong with a header has a name.
func ExampleHeaderError() {
	img, file := newImage(1<<20, nil)
	if err := img.Close(); err != nil {
		log.Fatal(err)
	}
	b := file.Bytes()
	binary.LittleEndian.PutUint32(b[4:], 1000) // the cluster size is a power of two
	_, err := qedfile.NewReader(bytes.NewReader(b), int64(len(b)), nil)
	var h *qedfile.HeaderError
	fmt.Println(errors.As(err, &h), h.Field, errors.Is(err, qedfile.ErrFormat))
	// Output: true cluster size true
}

// A damaged table entry concerns the bytes that it maps and no others.
func ExampleCorruptError() {
	img, file := newImage(4<<30, nil)
	if _, err := img.WriteAt([]byte("data"), 0); err != nil {
		log.Fatal(err)
	}
	if err := img.Close(); err != nil {
		log.Fatal(err)
	}
	b := file.Bytes()
	binary.LittleEndian.PutUint64(b[64<<10+8:], 12345) // the second entry of the L1 table
	damaged, err := qedfile.NewReader(bytes.NewReader(b), int64(len(b)), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer damaged.Close()

	p := make([]byte, 4)
	_, err = damaged.ReadAt(p, 0)
	fmt.Printf("%s, %v\n", p, err)
	_, err = damaged.ReadAt(p, 3<<30)
	var c *qedfile.CorruptError
	if errors.As(err, &c) {
		fmt.Println(c.Level, c.Index, c.Entry, c.Start, errors.Is(err, qedfile.ErrCorrupt))
	}
	// Output:
	// data, <nil>
	// 1 1 12345 2147483648 true
}

// Findings are what a check counts, one by one.
func ExampleFinding() {
	img, file := newImage(1<<20, nil)
	if err := img.Close(); err != nil {
		log.Fatal(err)
	}
	b := append(file.Bytes(), make([]byte, 128<<10)...) // two clusters that nothing refers to
	leaky, err := qedfile.NewReader(bytes.NewReader(b), int64(len(b)), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer leaky.Close()
	for f, err := range leaky.Findings(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		var kind qedfile.FindingKind = f.Kind
		fmt.Println(kind, f.Offset, f.Clusters)
	}
	// Output: leak 327680 2
}

func ExampleCheckReport() {
	img, _ := newImage(1<<20, nil)
	defer img.Close()
	if _, err := img.WriteAt(make([]byte, 200<<10), 0); err != nil {
		log.Fatal(err)
	}
	var r *qedfile.CheckReport
	r, err := img.Check(context.Background(), &qedfile.CheckOptions{Repair: qedfile.RepairNone})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d of %d clusters, clean: %v\n", r.AllocatedClusters, r.TotalClusters, r.Clean())
	// Output: 4 of 16 clusters, clean: true
}

func ExampleRepairMode() {
	img, file := newImage(1<<20, nil)
	if err := img.Close(); err != nil {
		log.Fatal(err)
	}
	leaky := backend.NewMemory(append(file.Bytes(), make([]byte, 64<<10)...))
	img, err := qedfile.New(leaky, &qedfile.Options{Writable: true})
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	for _, mode := range []qedfile.RepairMode{qedfile.RepairNone, qedfile.RepairLeaks} {
		r, err := img.Check(context.Background(), &qedfile.CheckOptions{Repair: mode})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(r.Leaks, "left,", r.LeaksFixed, "fixed")
	}
	// Output:
	// 1 left, 0 fixed
	// 0 left, 1 fixed
}

// A dirty image is repaired when it is opened for writing, unless that is
// forbidden.
func ExampleDirtyPolicy() {
	dirty, err := os.ReadFile("../testdata/dirty.qed")
	if err != nil {
		log.Fatal(err)
	}
	for _, policy := range []qedfile.DirtyPolicy{qedfile.DirtyKeep, qedfile.DirtyRepair} {
		again, err := qedfile.New(backend.NewMemory(bytes.Clone(dirty)), &qedfile.Options{Writable: true, Dirty: policy})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("dirty:", again.Header().NeedCheck())
		_ = again.Close()
	}
	// Output:
	// dirty: true
	// dirty: false
}

// A Mapper says what a disk stores, so that the rest need not be read.
func ExampleMapper() {
	img, _ := newImage(1<<30, nil)
	defer img.Close()
	if _, err := img.WriteAt([]byte("data"), 1<<29); err != nil {
		log.Fatal(err)
	}
	var disk qedfile.Disk = img
	stored := int64(0)
	if m, ok := disk.(qedfile.Mapper); ok {
		var e qedfile.Extent
		var err error
		for e, err = range m.Extents(0, disk.Size()) {
			if err != nil {
				log.Fatal(err)
			}
			if e.Kind == qedfile.Data {
				stored += e.Length
			}
		}
	}
	fmt.Println(stored, "of", disk.Size())
	// Output: 65536 of 1073741824
}

// A Layer can tell what it stores from what shows through.
func ExampleLayer() {
	img, _ := newImage(1<<20, backend.NewMemory(make([]byte, 1<<20)))
	defer img.Close()
	if _, err := img.WriteAt([]byte("data"), 64<<10); err != nil {
		log.Fatal(err)
	}
	var layer qedfile.Layer = img
	for e, err := range layer.OwnExtents(0, layer.Size()) {
		if err != nil {
			log.Fatal(err)
		}
		if e.Kind != qedfile.Unallocated {
			fmt.Println(e.Start, e.Length)
		}
	}
	fmt.Println(layer.Backing().Size(), "bytes beneath")
	// Output:
	// 65536 65536
	// 1048576 bytes beneath
}

// Files decides for one image what it may name.
func ExampleFiles() {
	var files *qedfile.Files = qedfile.Siblings("../testdata/chain.qed")
	fmt.Println(files.Allows("chain-middle.qed"))
	fmt.Println(errors.Is(files.Allows("../../etc/passwd"), qedfile.ErrBackingDenied))
	img, err := qedfile.Open("../testdata/chain.qed", &qedfile.Options{Backing: files.Backing})
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	fmt.Println(img.Header().BackingFile)
	// Output:
	// <nil>
	// true
	// chain-middle.qed
}

// A FormatFunc puts a format beneath images that this package cannot read.
func ExampleFormatFunc() {
	var formats qedfile.FormatFunc = func(format string, r backend.Reader, _ *qedfile.Files, _ qedfile.BackingRef) (qedfile.Disk, error) {
		if format != "upper" {
			return nil, qedfile.ErrUnsupported
		}
		b, err := io.ReadAll(io.NewSectionReader(r, 0, 1<<20))
		if err != nil {
			return nil, err
		}
		return upper{strings.NewReader(string(b))}, r.Close()
	}
	files := qedfile.Siblings("../testdata/chain.qed").With(formats)
	disk, err := files.Backing(qedfile.BackingRef{Name: "make.sh", Format: "upper"})
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	b := make([]byte, 14)
	_, err = disk.ReadAt(b, 0)
	fmt.Printf("%s, %v\n", b, err)
	// Output: #!/USR/BIN/ENV, <nil>
}

// SetBacking is for a backing file that has another name now.
func ExampleSetBackingOptions() {
	img, _ := newImage(1<<20, backend.NewMemory([]byte("base")))
	defer img.Close()
	if err := img.SetBacking("moved/base.raw", &qedfile.SetBackingOptions{Raw: true}); err != nil {
		log.Fatal(err)
	}
	h := img.Header()
	fmt.Println(h.BackingFile, h.BackingRaw())
	// Output: moved/base.raw true
}

func ExampleStats() {
	img, _ := newImage(1<<30, nil)
	defer img.Close()
	p := make([]byte, 4096)
	before := img.Stats()
	for range 100 {
		if _, err := img.ReadAt(p, 1<<20); err != nil {
			log.Fatal(err)
		}
	}
	var after qedfile.Stats = img.Stats()
	fmt.Println(after.TableLoads-before.TableLoads, "tables loaded for", 100, "reads")
	// Output: 1 tables loaded for 100 reads
}

// Another format's table of 32-bit entries, read in slices.
func ExampleTableReader() {
	file := make([]byte, 64<<10)
	for i := range 1000 {
		binary.BigEndian.PutUint32(file[4096+4*i:], uint32(i)*100)
	}
	t := qedfile.NewTableReader(bytes.NewReader(file), &qedfile.TableOptions{Narrow: true, Order: binary.BigEndian})
	var entries qedfile.TableEntries
	entries, err := t.Entries(4096 + 4*7)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(entries.At(0), entries.At(1), entries.Len() > 100)
	// Output: 700 800 true
}

// A disk is written in a format of one's own: pieces are packed side by side
// and placed in order.
func ExamplePieces() {
	img, _ := newImage(64<<20, nil)
	defer img.Close()
	for _, off := range []int64{0, 1 << 20, 32 << 20} {
		if _, err := img.WriteAt([]byte("data"), off); err != nil {
			log.Fatal(err)
		}
	}
	var out bytes.Buffer
	stages := qedfile.PieceStages{
		Prepare: func(p *qedfile.Piece) error {
			p.Packed = append(p.Packed[:0], bytes.TrimRight(p.Bytes, "\x00")...)
			return nil
		},
		Place: func(p *qedfile.Piece) error { // one after the other
			p.At = int64(out.Len())
			fmt.Println("piece of", p.Offset, "at", p.At)
			_, err := out.Write(p.Packed)
			return err
		},
	}
	if err := qedfile.Pieces(context.Background(), img, stages, &qedfile.PieceOptions{Size: 64 << 10}); err != nil {
		log.Fatal(err)
	}
	// Output:
	// piece of 0 at 0
	// piece of 1048576 at 4
	// piece of 33554432 at 8
}

// Options that most do not need.
func ExampleConvertOptions() {
	src, _ := newImage(8<<20, nil)
	defer src.Close()
	if _, err := src.WriteAt([]byte("data"), 5<<20); err != nil {
		log.Fatal(err)
	}
	dst, err := qedfile.NewRaw(backend.NewMemory(nil))
	if err != nil {
		log.Fatal(err)
	}
	last := int64(0)
	opts := &qedfile.ConvertOptions{
		SparseSize: 64 << 10, // shorter runs of zeroes are written
		Workers:    1,
		Progress:   func(done, _ int64) { last = done },
	}
	if err := qedfile.Convert(context.Background(), dst, src, opts); err != nil {
		log.Fatal(err)
	}
	fmt.Println(last == dst.Size())

	var c qedfile.Comparison
	c, err = qedfile.Compare(context.Background(), src, dst, &qedfile.CompareOptions{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Mismatch == qedfile.Identical)
	// Output:
	// true
	// true
}

func ExampleCompactOptions() {
	src, _ := newImage(8<<20, nil)
	defer src.Close()
	total := int64(0)
	opts := &qedfile.CompactOptions{Progress: func(_, n int64) { total = n }}
	if err := qedfile.Compact(context.Background(), backend.NewMemory(nil), src, opts); err != nil {
		log.Fatal(err)
	}
	fmt.Println(total)
	// Output: 8388608
}

// A Measurement tells what an image would take, and at most.
func ExampleMeasurement() {
	disk, _ := newImage(1<<30, nil)
	defer disk.Close()
	var m qedfile.Measurement
	m, err := qedfile.Measure(context.Background(), disk, &qedfile.CreateOptions{ClusterSize: 4096, TableSize: 16})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Required, m.FullyAllocated)
	// Output: 69632 1075908608
}
