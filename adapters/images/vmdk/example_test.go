package vmdk_test

import (
	"context"
	"fmt"
	"log"

	"github.com/qedfs/qedfs/adapters/images/vmdk"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// exampleDisk is a disk of 1 MiB that begins with some words.
func exampleDisk() qedfile.Disk {
	d, err := qedfile.NewRaw(backend.NewMemory(append([]byte("some words"), make([]byte, 1<<20-10)...)))
	if err != nil {
		log.Fatal(err)
	}
	return d
}

func ExampleWrite() {
	file := backend.NewMemory(nil)
	if err := vmdk.Write(context.Background(), file, exampleDisk(), &vmdk.WriteOptions{Subformat: vmdk.StreamOptimized}); err != nil {
		log.Fatal(err)
	}
	m, err := vmdk.Open(file, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	b := make([]byte, 10)
	if _, err := m.ReadAt(b, 0); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, %d bytes, %s\n", b, m.Size(), m.Descriptor().CreateType)
	// Output: some words, 1048576 bytes, streamOptimized
}

func ExampleParseDescriptor() {
	d, err := vmdk.ParseDescriptor([]byte(`# Disk DescriptorFile
CID=fffffffe
parentCID=ffffffff
createType="twoGbMaxExtentSparse"
RW 4192256 SPARSE "disk-s001.vmdk"
RW 2048 SPARSE "disk-s002.vmdk"
`))
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range d.Extents {
		fmt.Println(e.Type, e.Name, e.Sectors)
	}
	// Output:
	// SPARSE disk-s001.vmdk 4192256
	// SPARSE disk-s002.vmdk 2048
}
