package fat_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"log"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fat"
)

func ExampleOpen() {
	v := newVolume(12, 100) // any io.ReaderAt: a partition, a file, a QED image
	v.list(long(units("Hello, world.txt"), "HELLO~1 TXT"), file("HELLO~1 TXT", 0x20, 2, 6))
	v.chain(2)
	v.put(2, []byte("hello\n"))

	fsys, err := fat.Open(bytes.NewReader(v.b), int64(len(v.b)))
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
	// 1234-ABCD
}
