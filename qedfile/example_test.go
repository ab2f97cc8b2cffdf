package qedfile_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

func ExampleOpenChain() {
	const name = "../testdata/chain.qed"
	img, err := qedfile.OpenChain(name, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()

	h := img.Header()
	fmt.Printf("%d bytes in clusters of %d over %s\n", img.Size(), h.ClusterSize, h.BackingFile)
	n, err := img.ReadAt(make([]byte, 4096), 0)
	fmt.Println(n, err)
	// Output:
	// 524288 bytes in clusters of 4096 over chain-middle.qed
	// 4096 <nil>
}

// An image says what its backing file is called; nobody follows that unasked.
func ExampleOpen_backingFile() {
	_, err := qedfile.Open("../testdata/chain.qed", nil)
	fmt.Println(errors.Is(err, qedfile.ErrBackingDenied))
	// Output: true
}

func ExampleReadHeader() {
	f, err := os.Open("../testdata/dirty.qed")
	if err != nil {
		log.Fatal(err)
	}
	r, err := backend.NewFile(f, os.O_RDONLY, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	h, err := qedfile.ReadHeader(r)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("closed properly:", !h.NeedCheck())
	// Output: closed properly: false
}

// An image can lie in anything that reads and writes at offsets.
func ExampleNew() {
	storage := backend.NewMemory(nil)
	img, err := qedfile.CreateIn(storage, 1<<30, nil)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := img.WriteAt([]byte("hello"), 512<<20); err != nil {
		log.Fatal(err)
	}
	if err := img.Close(); err != nil {
		log.Fatal(err)
	}

	img, err = qedfile.New(storage.Clone(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	b := make([]byte, 5)
	if _, err := img.ReadAt(b, 512<<20); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", b)
	// Output: hello
}

// Extents shows where an image has data without reading it.
func ExampleImage_Extents() {
	img, err := qedfile.CreateIn(backend.NewMemory(nil), 10<<20, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	if _, err := img.WriteAt([]byte("data"), 1<<20); err != nil {
		log.Fatal(err)
	}
	if err := img.WriteZeroes(2<<20, 1<<20); err != nil {
		log.Fatal(err)
	}
	names := map[qedfile.Kind]string{qedfile.Data: "data", qedfile.Zero: "zero", qedfile.Unallocated: "nothing"}
	for e, err := range img.Extents(0, img.Size()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%8d %8d %s\n", e.Start, e.Length, names[e.Kind])
	}
	// Output:
	//        0  1048576 nothing
	//  1048576    65536 data
	//  1114112   983040 nothing
	//  2097152  1048576 zero
	//  3145728  7340032 nothing
}

func ExampleImage_Resize() {
	dir, err := os.MkdirTemp("", "qedfile")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	img, err := qedfile.Create(filepath.Join(dir, "disk.qed"), 1<<20, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := img.Resize(2 << 30); err != nil {
		log.Fatal(err)
	}
	fmt.Println(img.Size())
	fmt.Println(img.Close())
	// Output:
	// 2147483648
	// <nil>
}

// upper is a disk in a format of one's own: text that is to be shouted.
type upper struct{ text *strings.Reader }

func (u upper) Size() int64  { return u.text.Size() }
func (u upper) Close() error { return nil }
func (u upper) ReadAt(p []byte, off int64) (int, error) {
	n, err := u.text.ReadAt(p, off)
	copy(p, strings.ToUpper(string(p[:n])))
	return n, err
}

// A BackingFunc can put any Disk beneath an image: here one whose file is of a
// format that only the caller knows.
func ExampleBackingFunc() {
	img, err := qedfile.CreateIn(backend.NewMemory(nil), 1<<20, &qedfile.CreateOptions{
		BackingFile: "text",
		Backing: func(ref qedfile.BackingRef) (qedfile.Disk, error) {
			if ref.Name != "text" {
				return nil, qedfile.ErrBackingDenied
			}
			return upper{strings.NewReader("from below")}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	if _, err := img.WriteAt([]byte("IMAGE"), 5); err != nil {
		log.Fatal(err)
	}
	b := make([]byte, 10)
	if _, err := io.ReadFull(img, b); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", b)
	// Output: FROM IMAGE
}
