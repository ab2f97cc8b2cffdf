package filesystem_test

import (
	"fmt"
	"io/fs"
	"log"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem"
	"github.com/qedfs/qedfs/qedfile"
)

// An image that a filesystem fills, without a partition table.
func ExampleOpen() {
	img, err := qedfile.Open("../../../testdata/bare-ext4.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()

	fsys, err := filesystem.Open(img, img.Size())
	if err != nil {
		log.Fatal(err)
	}
	b, err := fs.ReadFile(fsys, "etc/hostname")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s", fsys.Info().Type, b)
	// Output: ext4: example
}
