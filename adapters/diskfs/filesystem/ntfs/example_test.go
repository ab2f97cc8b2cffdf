package ntfs_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ntfs"
)

// The named streams of a file are found on the tree.
func ExampleOpen_streams() {
	f, err := os.Open("../../../../testdata/filesystems/ntfs-streams.img.gz")
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
	fsys, err := ntfs.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		fmt.Println(err)
		return
	}
	contents, _ := fsys.ReadFile("file")
	fmt.Printf("%s\n", contents)
	info, err := fsys.Stat("file")
	if err != nil {
		fmt.Println(err)
		return
	}
	streams, _ := fstree.As[fstree.Streams](fsys)
	stream, err := streams.OpenStream(info.Sys().(*fstree.Stat).FileID().ID, "Zone.Identifier")
	if err != nil {
		fmt.Println(err)
		return
	}
	b, _ := io.ReadAll(io.NewSectionReader(stream, 0, stream.Size()))
	fmt.Printf("%s\n", b)
	// Output:
	// main
	// the stream Zone.Identifier
}
