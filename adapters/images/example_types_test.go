package images_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// What can be written, and by which options.
func ExampleWrittenFormat() {
	for _, f := range images.WrittenFormats() {
		var format images.WrittenFormat = f
		fmt.Println(format.Name, format.Compresses)
	}
	// Output:
	// qcow2 true
	// vmdk true
	// vdi false
	// vpc false
	// vhdx false
}

// A disk is written as qemu-img convert -O vdi -o static=on writes it, and
// described as qemu-img info describes it.
func ExampleWrite() {
	src, err := qedfile.NewRaw(backend.NewMemory(bytes.Repeat([]byte("disk "), 20000)))
	if err != nil {
		log.Fatal(err)
	}
	file := backend.NewMemory(nil)
	opts := &images.WriteOptions{Values: map[string]string{"static": "on"}}
	if err := images.Write(context.Background(), "vdi", file, src, opts); err != nil {
		log.Fatal(err)
	}
	disk, err := images.NewReader(file, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	if d, ok := disk.(images.Describer); ok {
		var info *images.Info
		if info, err = d.Info(); err != nil {
			log.Fatal(err)
		}
		fmt.Println(info.Format, info.VirtualSize)
	}
	// Output:
	// vdi 100352
}
