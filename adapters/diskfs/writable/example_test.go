package writable_test

import (
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/diskfs/go-diskfs"
	"github.com/diskfs/go-diskfs/disk"
	"github.com/diskfs/go-diskfs/filesystem"

	qeddiskfs "github.com/qedfs/qedfs/adapters/diskfs"
	"github.com/qedfs/qedfs/adapters/diskfs/writable"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// exampleESP makes a disk in memory that a FAT32 fills.
func exampleESP() *writable.FS {
	memory := backend.NewMemory(nil)
	if err := memory.Truncate(40 << 20); err != nil {
		log.Fatal(err)
	}
	raw, err := qedfile.NewRaw(memory)
	if err != nil {
		log.Fatal(err)
	}
	d, err := diskfs.OpenBackend(qeddiskfs.NewStorage(raw, &qeddiskfs.StorageOptions{Writable: true}))
	if err != nil {
		log.Fatal(err)
	}
	made, err := d.CreateFilesystem(disk.FilesystemSpec{FSType: filesystem.TypeFat32, VolumeLabel: "ESP"})
	if err != nil {
		log.Fatal(err)
	}

	w, err := writable.New(made)
	if err != nil {
		log.Fatal(err)
	}
	return w
}

func ExampleNew() {
	w := exampleESP()
	f, err := w.OpenFile("startup.nsh", os.O_CREATE|os.O_WRONLY)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := f.Write([]byte("echo hello")); err != nil {
		log.Fatal(err)
	}
	if err := f.Close(); err != nil { // written now
		log.Fatal(err)
	}
	b, err := w.ReadFile("startup.nsh")
	fmt.Printf("%s %v\n", b, err)
	fmt.Println(errors.Is(w.Remove("startup.nsh"), writable.ErrRefused))
	// Output:
	// echo hello <nil>
	// true
}

// A file can be changed anywhere until it is closed.
func ExampleFile() {
	w := exampleESP()
	f, err := w.OpenFile("boot.cfg", os.O_CREATE|os.O_RDWR)
	if err != nil {
		log.Fatal(err)
	}
	file := f.(*writable.File)
	if _, err := file.WriteAt([]byte("timeout 10"), 0); err != nil {
		log.Fatal(err)
	}
	if err := file.Truncate(9); err != nil {
		log.Fatal(err)
	}
	if err := file.Sync(); err != nil { // on the volume now
		log.Fatal(err)
	}
	b, err := w.ReadFile("boot.cfg")
	fmt.Printf("%s, %v\n", b, errors.Join(err, file.Close()))
	// Output: timeout 1, <nil>
}

func ExampleFS_Rename() {
	w := exampleESP()
	if err := w.Mkdir("EFI"); err != nil {
		log.Fatal(err)
	}
	if err := w.Rename("EFI", "efi-old"); err != nil {
		log.Fatal(err)
	}
	info, err := w.Stat("efi-old")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Name(), info.IsDir())
	// Output: efi-old true
}
