package qeddiskfs_test

import (
	"fmt"
	"io"
	"log"
	"os"

	"github.com/diskfs/go-diskfs"

	qeddiskfs "github.com/qedfs/qedfs/adapters/diskfs"
	"github.com/qedfs/qedfs/qedfile"
)

func ExampleNewStorage() {
	img, err := qedfile.Open("../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	// From here on everything is go-diskfs's own.
	disk, err := diskfs.OpenBackend(qeddiskfs.NewStorage(img, nil))
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	for _, p := range disk.Table.GetPartitions() {
		fmt.Println(p.GetIndex(), p.Label(), p.GetStart(), p.GetSize())
	}
	// Output:
	// 1 EFI system 1048576 4194304
	// 2 root 5242880 16777216
}

func ExampleGetFilesystem() {
	img, err := qedfile.Open("../../testdata/mbr-logical.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	disk, err := diskfs.OpenBackend(qeddiskfs.NewStorage(img, nil))
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	// In place of disk.GetFilesystem: a logical partition, and an ext2.
	fsys, err := qeddiskfs.GetFilesystem(disk, 5)
	if err != nil {
		log.Fatal(err)
	}
	f, err := fsys.OpenFile("app/config.yaml", os.O_RDONLY)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(os.Stdout, f); err != nil {
		log.Fatal(err)
	}
	// Output:
	// server:
	//   listen: 127.0.0.1
	//   port: 8080
	// name: example
}
