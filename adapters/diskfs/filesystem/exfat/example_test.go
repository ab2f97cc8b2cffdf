package exfat_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"log"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/exfat"
)

func ExampleOpen() {
	v := newVolume() // any io.ReaderAt: a partition, a file, a QED image
	v.list(file("Hello, world.txt", 0x20, noChain, 100, 6, 6))
	v.put(100, []byte("hello\n"))

	fsys, err := exfat.Open(bytes.NewReader(v.b), int64(len(v.b)))
	if err != nil {
		log.Fatal(err)
	}
	b, err := fs.ReadFile(fsys, "hello, WORLD.txt")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s%s\n", b, fsys.Info().UUID)
	// Output:
	// hello
	// 12AB-CDEF
}
