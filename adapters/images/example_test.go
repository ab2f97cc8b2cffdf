package images_test

import (
	"fmt"
	"log"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/qedfile"
)

// A chain of a qcow2 image over a QED image over a raw file, of which nothing
// outside their directory is opened.
func ExampleOpen() {
	name := "../../testdata/images/qcow2-chain.qcow2"
	d, err := images.Open(name, &images.Options{Files: images.Siblings(name)})
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()
	for e, err := range d.(qedfile.Mapper).Extents(80<<10, 40<<10) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%5d bytes at %6d: layer %d, data %t\n", e.Length, e.Start, e.Depth, e.Kind == qedfile.Data)
	}
	// Output:
	// 16384 bytes at  81920: layer 0, data false
	// 24576 bytes at  98304: layer 2, data true
}
