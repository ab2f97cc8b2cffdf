package archive_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/qedfs/qedfs/adapters/diskfs/archive"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

// A web page has no standard error: what is left out is said in the archive.
func ExampleOptions() {
	disk, err := imagefs.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	var missing []error
	opts := &archive.Options{
		Problem: func(path string, err error) { missing = append(missing, fmt.Errorf("%s: %w", path, err)) },
		LeftOut: "LEFT-OUT.txt",
	}
	var out bytes.Buffer
	if err := archive.Write(context.Background(), &out, disk.FS(), "p2/home", opts); err != nil {
		log.Fatal(err)
	}
	members := 0
	for r := tar.NewReader(&out); ; members++ {
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(members, "members,", len(missing), "left out")
	// Output: 3 members, 0 left out
}
