package xfs_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/xfs"
)

// volume is a small XFS filesystem that was made by mkfs.xfs and the kernel.
func volume() (*bytes.Reader, error) {
	f, err := os.Open("../../../../testdata/filesystems/xfs-ordinary.img.gz")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(z)
	return bytes.NewReader(b), err
}

func Example() {
	r, err := volume()
	if err != nil {
		log.Fatal(err)
	}
	fsys, err := xfs.Open(r, r.Size())
	if err != nil {
		log.Fatal(err)
	}
	data, err := fs.ReadFile(fsys, "etc/passwd")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", data)
	// Output: root:x:0:0::/:
}

func ExampleFS() {
	r, err := volume()
	if err != nil {
		log.Fatal(err)
	}
	fsys, err := xfs.Open(r, r.Size())
	if err != nil {
		log.Fatal(err)
	}
	info := fsys.Info()
	fmt.Println(info.Type, info.BlockSize, info.Dirty)
	entries, err := fsys.ReadDir("etc")
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(info.Mode(), info.Sys().(*fstree.Stat).Nlink, e.Name())
	}
	// Output:
	// xfs 1024 false
	// drwxr-xr-x 3 init.d
	// Lrwxrwxrwx 1 link
	// -rw-r--r-- 1 passwd
}
