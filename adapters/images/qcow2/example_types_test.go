package qcow2_test

import (
	"context"
	"fmt"
	"log"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/adapters/images/qcow2"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// newImage makes an image in memory of a disk of 1 MiB.
func newImage() *qcow2.Image {
	disk, err := qedfile.NewRaw(backend.NewMemory(append([]byte("some words"), make([]byte, 1<<20-10)...)))
	if err != nil {
		log.Fatal(err)
	}
	file := backend.NewMemory(nil)
	if err := qcow2.Write(context.Background(), file, disk, nil); err != nil {
		log.Fatal(err)
	}
	m, err := qcow2.Open(file, &qcow2.Options{CacheBytes: 1 << 20})
	if err != nil {
		log.Fatal(err)
	}
	return m
}

// An Image is a disk that can be described and checked.
func ExampleImage() {
	var m *qcow2.Image = newImage()
	defer m.Close()
	info, err := m.Info()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Format, info.VirtualSize, info.ClusterSize, len(info.Snapshots))

	report, err := m.Check(context.Background(), &layer.CheckOptions{})
	fmt.Println(report.Clean(), report.AllocatedClusters, report.TotalClusters, err)
	// Output:
	// qcow2 1048576 65536 0
	// true 1 16 <nil>
}
