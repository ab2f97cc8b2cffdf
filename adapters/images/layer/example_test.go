package layer_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// stripes is a format whose even kilobytes are zeroes and whose odd ones lie
// one after the other in a file.
type stripes struct{ file *strings.Reader }

func (s stripes) Run(pos, limit int64) (layer.Run, error) {
	n := min(limit, 1024-pos%1024)
	if pos/1024%2 == 0 {
		return layer.Run{Kind: qedfile.Zero, Length: n, Offset: -1}, nil
	}
	at := pos/2048*1024 + pos%1024
	return layer.Run{Kind: qedfile.Data, Length: n, File: s.file, At: at, Offset: at}, nil
}

// A format says where the parts of its disk are; the rest comes from New.
func ExampleNew() {
	d := layer.New(stripes{strings.NewReader(strings.Repeat("data", 512))}, 4096, nil)
	defer d.Close()
	p := make([]byte, 8)
	if _, err := d.ReadAt(p, 1020); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", p)
	for e, err := range d.Extents(0, d.Size()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Start, e.Length, e.Kind == qedfile.Data, e.Offset)
	}
	// Output:
	// "\x00\x00\x00\x00data"
	// 0 1024 false -1
	// 1024 1024 true 0
	// 2048 1024 false -1
	// 3072 1024 true 1024
}

// countdown is a format of three kilobytes, of which the last is damaged.
type countdown struct{ file *layer.File }

func (c countdown) Run(pos, limit int64) (layer.Run, error) {
	if pos >= 2048 {
		return layer.Run{Length: limit}, layer.Corrupt("countdown", "nothing is left at %d", pos)
	}
	return c.file.Flat(pos, min(limit, 2048-pos))
}

// A check counts what is wrong, part by part.
func ExampleTally() {
	var found []layer.Finding
	t := layer.NewTally(&layer.CheckOptions{Found: func(f layer.Finding) error {
		found = append(found, f)
		return nil
	}})
	t.Add(qedfile.Leak, 3, "%d clusters at the end", 3)
	if err := t.Err(context.Background()); err != nil {
		log.Fatal(err)
	}
	var report *layer.CheckReport = &t.CheckReport
	fmt.Println(report.Leaks, report.Clean(), found[0].Why)
	// Output:
	// 3 true 3 clusters at the end
}

// A damaged part is an error of that part, with the format's name.
func ExampleError() {
	file, err := layer.NewFile(backend.NewMemory(make([]byte, 4096)))
	if err != nil {
		log.Fatal(err)
	}
	var d *layer.Disk = layer.New(countdown{file}, 3072, nil, file)
	defer d.Close()
	var format layer.Format = countdown{file}
	_ = format
	_, err = d.ReadAt(make([]byte, 512), 0)
	fmt.Println(err)
	_, err = d.ReadAt(make([]byte, 512), 2048)
	var e *layer.Error
	fmt.Println(errors.As(err, &e) && e.Format == "countdown", errors.Is(err, qedfile.ErrCorrupt))
	// Output:
	// <nil>
	// true true
}

// What info prints of an image, in an order that is kept.
func ExampleInfo() {
	info := layer.Info{
		Format:    "qcow2",
		Snapshots: []layer.Snapshot{{ID: "1", Name: "before", DiskSize: 1 << 20}},
		Details:   []layer.Detail{{Key: "compat", Value: "1.1"}, {Key: "lazy-refcounts", Value: false}},
	}
	for _, d := range info.Details {
		fmt.Println(d.Key, d.Value)
	}
	// Output:
	// compat 1.1
	// lazy-refcounts false
}
