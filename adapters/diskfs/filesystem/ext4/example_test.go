package ext4_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ext4"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

func ExampleOpen() {
	image := volume("../../../../testdata/filesystems/crash-ext4-1k.img.gz")
	vol, err := ext4.Open(image, image.Size())
	if err != nil {
		log.Fatal(err)
	}
	info := vol.Info()
	fmt.Println(info.Type, info.BlockSize, info.UUID, "dirty:", info.Dirty)

	f, err := vol.Open("sizes/1025.bin")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(st.Mode(), st.Size(), st.Sys().(*fstree.Stat).Nlink)
	// Output:
	// ext4 1024 6d7a0f9e-2f0e-4a53-9a3c-0a1b2c3d4e5f dirty: true
	// -rw-r--r-- 1025 1
}

func ExampleFS() {
	image := volume("../../../../testdata/filesystems/ext4-1k.img.gz")
	vol, err := ext4.Open(image, image.Size())
	if err != nil {
		log.Fatal(err)
	}
	entries, err := fs.ReadDir(vol, "special")
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			log.Fatal(err)
		}
		st := info.Sys().(*fstree.Stat)
		fmt.Println(info.Mode(), st.Major, st.Minor, e.Name())
	}
	// Output:
	// prw-r----- 0 0 fifo
	// Dcrw-r----- 4095 1048575 large
	// Drw-r----- 259 70000 new block
	// Dcrw-r----- 1 3 null
	// Drw-r----- 8 255 old block
	// Srw-r----- 0 0 socket
}

// volume stands for a part of a disk: any io.ReaderAt is one.
func volume(name string) *bytes.Reader {
	f, err := os.Open(name)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		log.Fatal(err)
	}
	b, err := io.ReadAll(zr)
	if err != nil {
		log.Fatal(err)
	}
	return bytes.NewReader(b)
}
