// Command list-files lists every file of a disk image, through all its
// partitions and logical volumes:
//
//	go run ./examples/list-files testdata/gpt.qed
package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: list-files IMAGE")
		os.Exit(2)
	}
	if err := list(os.Stdout, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// list prints mode, size and path of each file. The tree of a disk is an
// ordinary fs.FS: its top directories are the volumes.
func list(w io.Writer, image string) error {
	disk, err := imagefs.Open(image, nil)
	if err != nil {
		return err
	}
	defer disk.Close()

	return fs.WalkDir(disk.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%v %8d %q\n", info.Mode(), info.Size(), path)
		return err
	})
}
