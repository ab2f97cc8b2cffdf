package treediff_test

import (
	"context"
	"fmt"
	"log"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/adapters/diskfs/treediff"
)

// Two directories of one image are compared as two images are.
func ExampleCompare() {
	disk, err := imagefs.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	a := treediff.Side{Tree: disk.FS(), Root: "p2/etc/app"}
	b := treediff.Side{Tree: disk.FS(), Root: "p2/home/user"}
	for d, err := range treediff.Compare(context.Background(), a, b, nil) {
		switch {
		case err != nil:
			log.Fatal(err)
		case d.B == nil:
			fmt.Println("only in a:", d.Path)
		case d.A == nil:
			fmt.Println("only in b:", d.Path)
		default:
			fmt.Println("differ:", d.Path, d.Fields)
		}
	}
	// Output:
	// only in a: config.yaml
	// only in b: hostname
}
