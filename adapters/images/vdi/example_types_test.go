package vdi_test

import (
	"context"
	"fmt"
	"log"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/adapters/images/vdi"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// newImage makes an image in memory of a disk of 1 MiB.
func newImage() *vdi.Image {
	disk, err := qedfile.NewRaw(backend.NewMemory(append([]byte("some words"), make([]byte, 1<<20-10)...)))
	if err != nil {
		log.Fatal(err)
	}
	file := backend.NewMemory(nil)
	if err := vdi.Write(context.Background(), file, disk, nil); err != nil {
		log.Fatal(err)
	}
	m, err := vdi.Open(file, &vdi.Options{CacheBytes: 1 << 20})
	if err != nil {
		log.Fatal(err)
	}
	return m
}

// An Image is a disk, and what its header says.
func ExampleImage() {
	var m *vdi.Image = newImage()
	defer m.Close()
	var h vdi.Header = m.Header()
	var kind vdi.Type = h.Type
	var id vdi.ID = h.ID
	fmt.Println(kind, h.Size, h.BlockSize, len(id.String()))

	report, err := m.Check(context.Background(), &layer.CheckOptions{})
	fmt.Println(report.Clean(), err)
	// Output:
	// dynamic 1048576 1048576 36
	// true <nil>
}
