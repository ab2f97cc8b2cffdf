package wrapped_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/qedfs/qedfs/adapters/wrapped"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// A tar file with one image: nothing needs to be named, nothing is copied.
func ExampleOpen() {
	image, err := os.ReadFile("../../testdata/gpt.qed")
	if err != nil {
		log.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	_ = w.WriteHeader(&tar.Header{Name: "README", Mode: 0o644})
	_ = w.WriteHeader(&tar.Header{Name: "vm/gpt.qed", Mode: 0o644, Size: int64(len(image))})
	_, err = w.Write(image)
	if err := errors.Join(err, w.Close()); err != nil {
		log.Fatal(err)
	}

	m, err := wrapped.Open(context.Background(), backend.NewMemory(archive.Bytes()), "", nil)
	if err != nil {
		log.Fatal(err)
	}
	img, err := qedfile.New(m, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	fmt.Println(m.Member, img.Size())
	// Output: vm/gpt.qed 25165824
}

// A stream without an index is unpacked once, within limits.
func ExampleOptions() {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(make([]byte, 1<<20))
	if err := errors.Join(err, w.Close()); err != nil {
		log.Fatal(err)
	}
	_, err = wrapped.Open(context.Background(), backend.NewMemory(packed.Bytes()), "", &wrapped.Options{MaxSize: 64 << 10})
	fmt.Println(errors.Is(err, wrapped.ErrLimit))

	var m *wrapped.Image
	m, err = wrapped.Open(context.Background(), backend.NewMemory(packed.Bytes()), "", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	size, err := m.Size()
	fmt.Println(size, m.InArchive(), err)
	// Output:
	// true
	// 1048576 false <nil>
}
