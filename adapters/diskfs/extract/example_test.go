package extract_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/qedfs/qedfs/adapters/diskfs/extract"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

func ExampleCopy() {
	disk, err := imagefs.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	if err := extract.Copy(context.Background(), disk.FS(), []string{"p2/etc"}, dir, nil); err != nil {
		log.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "etc", "hostname"))
	fmt.Printf("%s%v\n", b, err)
	// Output:
	// example
	// <nil>
}
