package archive_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"

	"github.com/qedfs/qedfs/adapters/diskfs/archive"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

func ExampleWrite() {
	disk, err := imagefs.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	var out bytes.Buffer
	if err := archive.Write(context.Background(), &out, disk.FS(), "p2/etc", nil); err != nil {
		log.Fatal(err)
	}
	for r := tar.NewReader(&out); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(h.Name)
	}
	// Output:
	// ./
	// ./app/
	// ./app/config.yaml
	// ./hello
	// ./hostname
	// ./os-release
}

func ExampleFileInfoHeader() {
	disk, err := imagefs.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	info, err := disk.FS().Stat("p2/etc/hostname")
	if err != nil {
		log.Fatal(err)
	}
	h, err := archive.FileInfoHeader(info, "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %04o %d:%d %d bytes\n", h.Name, h.Mode, h.Uid, h.Gid, h.Size)
	// Output: hostname 0644 0:0 8 bytes
}
