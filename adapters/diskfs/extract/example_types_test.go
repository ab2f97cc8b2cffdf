package extract_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/qedfs/qedfs/adapters/diskfs/extract"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

// Files that are there already are kept, and named.
func ExampleOptions() {
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
	if err := os.WriteFile(filepath.Join(dir, "hostname"), []byte("mine"), 0o600); err != nil {
		log.Fatal(err)
	}

	opts := &extract.Options{
		Xattrs: true,
		Problem: func(path string, err error) {
			fmt.Println(path, errors.Is(err, extract.ErrExists))
		},
	}
	err = extract.Copy(context.Background(), disk.FS(), []string{"p2/etc/hostname", "p2/etc/hello"}, dir, opts)
	if err != nil {
		log.Fatal(err)
	}
	// Output: p2/etc/hostname true
}
