package vhdx_test

import (
	"context"
	"fmt"
	"log"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/adapters/images/vhdx"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// newImage makes an image in memory of a disk of 1 MiB.
func newImage() *vhdx.Image {
	disk, err := qedfile.NewRaw(backend.NewMemory(append([]byte("some words"), make([]byte, 1<<20-10)...)))
	if err != nil {
		log.Fatal(err)
	}
	file := backend.NewMemory(nil)
	if err := vhdx.Write(context.Background(), file, disk, nil); err != nil {
		log.Fatal(err)
	}
	m, err := vhdx.Open(file, &vhdx.Options{CacheBytes: 1 << 20})
	if err != nil {
		log.Fatal(err)
	}
	return m
}

// An Image is a disk, and what its metadata say.
func ExampleImage() {
	var m *vhdx.Image = newImage()
	defer m.Close()
	var meta vhdx.Metadata = m.Metadata()
	var id vhdx.GUID = meta.DiskID
	fmt.Println(meta.Size, meta.LogicalSector, meta.HasParent, len(id.String()))

	report, err := m.Check(context.Background(), &layer.CheckOptions{})
	fmt.Println(report.Clean(), err)
	// Output:
	// 1048576 512 false 36
	// true <nil>
}
