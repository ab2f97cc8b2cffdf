package qcow2_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/qedfs/qedfs/adapters/images/qcow2"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

func ExampleOpen() {
	f, err := backend.OpenFile("../../../testdata/images/qcow2-zstd.qcow2", os.O_RDONLY, nil)
	if err != nil {
		log.Fatal(err)
	}
	img, err := qcow2.Open(f, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	p := make([]byte, 5)
	if _, err := img.ReadAt(p, 6); err != nil {
		log.Fatal(err)
	}
	info, err := img.Info()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d bytes in clusters of %d: %q\n", img.Size(), info.ClusterSize, p)
	// Output: 512000 bytes in clusters of 16384: "00002"
}

func ExampleWrite() {
	src, err := qedfile.NewRaw(backend.NewMemory(make([]byte, 1<<20)))
	if err != nil {
		log.Fatal(err)
	}
	file := backend.NewMemory(nil)
	if err := qcow2.Write(context.Background(), file, src, &qcow2.WriteOptions{Compression: qcow2.Zstd}); err != nil {
		log.Fatal(err)
	}
	size, err := file.Size()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("a disk of %d zero bytes takes %d\n", src.Size(), size)
	// Output: a disk of 1048576 zero bytes takes 262144
}
