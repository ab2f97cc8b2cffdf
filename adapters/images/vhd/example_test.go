package vhd_test

import (
	"context"
	"fmt"
	"log"

	"github.com/qedfs/qedfs/adapters/images/vhd"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

func ExampleWrite() {
	disk, err := qedfile.NewRaw(backend.NewMemory(append([]byte("some words"), make([]byte, 1<<20-10)...)))
	if err != nil {
		log.Fatal(err)
	}
	file := backend.NewMemory(nil)
	if err := vhd.Write(context.Background(), file, disk, &vhd.WriteOptions{Fixed: true}); err != nil {
		log.Fatal(err)
	}
	m, err := vhd.Open(file, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	b := make([]byte, 10)
	if _, err := m.ReadAt(b, 0); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, %d bytes\n", b, m.Size())
	// Output: some words, 1048576 bytes
}
