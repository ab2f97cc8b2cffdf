package vhd_test

import (
	"context"
	"fmt"
	"log"

	"github.com/qedfs/qedfs/adapters/images/vhd"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// newImage makes an image in memory of a disk of 1 MiB.
func newImage() *vhd.Image {
	disk, err := qedfile.NewRaw(backend.NewMemory(append([]byte("some words"), make([]byte, 1<<20-10)...)))
	if err != nil {
		log.Fatal(err)
	}
	file := backend.NewMemory(nil)
	if err := vhd.Write(context.Background(), file, disk, nil); err != nil {
		log.Fatal(err)
	}
	m, err := vhd.Open(file, &vhd.Options{CacheBytes: 1 << 20})
	if err != nil {
		log.Fatal(err)
	}
	return m
}

// An Image is a disk, and what its footer says.
func ExampleImage() {
	var m *vhd.Image = newImage()
	defer m.Close()
	var f vhd.Footer = m.Footer()
	var kind vhd.Type = f.Type
	var id vhd.ID = f.ID
	fmt.Println(kind, f.Size, m.BlockSize(), len(id.String()))
	// Output:
	// dynamic 1048576 2097152 36
}
