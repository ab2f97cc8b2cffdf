package manifest_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/adapters/diskfs/manifest"
)

// A list that sha256sum -c checks in the directory.
func ExampleFiles() {
	disk, err := imagefs.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	opts := &manifest.Options{Hash: sha256.New}
	for e, err := range manifest.Files(context.Background(), disk.FS(), "p2/etc/app", opts) {
		if err != nil {
			log.Fatal(err)
		}
		if e.Sum != nil {
			fmt.Println(manifest.SumLine(manifest.Relative("p2/etc/app", e.Path), e.Sum))
		}
	}
	// Output:
	// f0e6c782d84f64daa2c3618005cc51dd239120a9ffd90550847ca5027e0ac994  config.yaml
}

// The lines of mtree, without contents.
func ExampleEntry() {
	disk, err := imagefs.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	for e, err := range manifest.Files(context.Background(), disk.FS(), "p2/etc/app", nil) {
		if err != nil {
			log.Fatal(err)
		}
		var entry *manifest.Entry = e
		fmt.Println(entry.Path, entry.Stat.Mode, entry.Stat.Size, entry.Sum == nil)
	}
	// Output:
	// p2/etc/app drwxr-xr-x 1024 true
	// p2/etc/app/config.yaml -rw-r--r-- 55 true
}
