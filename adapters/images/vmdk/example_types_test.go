package vmdk_test

import (
	"context"
	"fmt"
	"log"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/adapters/images/vmdk"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// newImage makes an image in memory of a disk of 1 MiB.
func newImage() *vmdk.Image {
	disk, err := qedfile.NewRaw(backend.NewMemory(append([]byte("some words"), make([]byte, 1<<20-10)...)))
	if err != nil {
		log.Fatal(err)
	}
	file := backend.NewMemory(nil)
	if err := vmdk.Write(context.Background(), file, disk, nil); err != nil {
		log.Fatal(err)
	}
	m, err := vmdk.Open(file, &vmdk.Options{CacheBytes: 1 << 20})
	if err != nil {
		log.Fatal(err)
	}
	return m
}

// An Image is a disk, and what its descriptor says.
func ExampleImage() {
	var m *vmdk.Image = newImage()
	defer m.Close()
	d := m.Descriptor()
	var part vmdk.Extent = d.Extents[0]
	fmt.Println(d.CreateType, part.Type, part.Sectors, d.HasParent())

	report, err := m.Check(context.Background(), &layer.CheckOptions{})
	fmt.Println(report.Clean(), err)
	// Output:
	// monolithicSparse SPARSE 2048 false
	// true <nil>
}
