package blob_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"gocloud.dev/blob/memblob"

	"github.com/qedfs/qedfs/adapters/blob"
	"github.com/qedfs/qedfs/qedfile"
)

func ExampleOpen() {
	ctx := context.Background()
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	image, err := os.ReadFile("../../testdata/gpt.qed")
	if err != nil {
		log.Fatal(err)
	}
	if err := bucket.WriteAll(ctx, "disk.qed", image, nil); err != nil {
		log.Fatal(err)
	}

	var o *blob.Object
	o, err = blob.Open(ctx, bucket, "disk.qed")
	if err != nil {
		log.Fatal(err)
	}
	img, err := qedfile.New(o, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	fmt.Println(img.Size())
	// Output: 25165824
}
