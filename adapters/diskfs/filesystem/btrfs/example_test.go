package btrfs_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/btrfs"
)

func ExampleOpen() {
	f, err := os.Open("../../../../testdata/filesystems/btrfs-subvolumes.img.gz")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		fmt.Println(err)
		return
	}
	image, err := io.ReadAll(zr)
	if err != nil {
		fmt.Println(err)
		return
	}
	fsys, err := btrfs.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		fmt.Println(name)
		return err
	})
	// Output:
	// .
	// after the snapshot
	// file
	// nested
	// nested/deeper
	// nested/deeper/inside
	// nested/inside
	// snapshot
	// snapshot/file
	// snapshot/nested
}
