package ntfs_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ntfs"
)

func ExampleFS_Streams() {
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
	stream, err := fsys.OpenStream("file", "Zone.Identifier")
	if err != nil {
		fmt.Println(err)
		return
	}
	b, _ := io.ReadAll(stream)
	fmt.Printf("%s\n", b)
	// Output:
	// main
	// the stream Zone.Identifier
}
