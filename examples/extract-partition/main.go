// Command extract-partition copies one partition of a QED image into a file,
// with go-diskfs:
//
//	go run ./examples/extract-partition testdata/gpt.qed 2 root.img
//
// It shows that go-diskfs works on an image as it does on a raw file.
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/diskfs/go-diskfs"

	qeddiskfs "github.com/qedfs/qedfs/adapters/diskfs"
	"github.com/qedfs/qedfs/qedfile"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: extract-partition IMAGE NUMBER FILE")
		os.Exit(2)
	}
	number, err := strconv.Atoi(os.Args[2])
	if err == nil {
		err = extract(os.Args[1], number, os.Args[3])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// extract copies a partition, counted from 1 as in the partition table.
func extract(name string, number int, file string) error {
	// A backing file is opened if it lies beside the image.
	image, err := qedfile.Open(name, &qedfile.Options{Backing: qedfile.SiblingBacking(name)})
	if err != nil {
		return err
	}
	disk, err := diskfs.OpenBackend(qeddiskfs.NewStorage(image, nil), diskfs.WithOpenMode(diskfs.ReadOnly))
	if err != nil {
		return errors.Join(err, image.Close())
	}
	defer disk.Close() // and the image with it

	out, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = disk.ReadPartitionContents(number, out)
	return errors.Join(err, out.Close())
}
