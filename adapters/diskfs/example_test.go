package qeddiskfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/diskfs/go-diskfs"
	"github.com/diskfs/go-diskfs/filesystem"
	"github.com/diskfs/go-diskfs/partition/mbr"

	qeddiskfs "github.com/qedfs/qedfs/adapters/diskfs"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

func ExampleNewStorage() {
	img, err := qedfile.Open("../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	// From here on everything is go-diskfs's own.
	disk, err := diskfs.OpenBackend(qeddiskfs.NewStorage(img, nil))
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	for _, p := range disk.Table.GetPartitions() {
		fmt.Println(p.GetIndex(), p.Label(), p.GetStart(), p.GetSize())
	}
	// Output:
	// 1 EFI system 1048576 4194304
	// 2 root 5242880 16777216
}

func ExampleGetFilesystem() {
	img, err := qedfile.Open("../../testdata/mbr-logical.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	disk, err := diskfs.OpenBackend(qeddiskfs.NewStorage(img, nil))
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	// In place of disk.GetFilesystem: a logical partition, and an ext2.
	fsys, err := qeddiskfs.GetFilesystem(disk, 5)
	if err != nil {
		log.Fatal(err)
	}
	f, err := fsys.OpenFile("app/config.yaml", os.O_RDONLY)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(os.Stdout, f); err != nil {
		log.Fatal(err)
	}
	// Output:
	// server:
	//   listen: 127.0.0.1
	//   port: 8080
	// name: example
}

// go-diskfs's face of a disk, and this module's, side by side.
func ExampleDisk() {
	disk, err := qeddiskfs.Open("../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	fmt.Println(len(disk.GoDisk().Table.GetPartitions()), "partitions in go-diskfs")
	var tree *qeddiskfs.Tree = disk.FS()
	b, err := tree.ReadFile("p2/etc/hostname")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(b))
	// Output:
	// 2 partitions in go-diskfs
	// example
}

// What is written through go-diskfs is in the image.
func ExampleOptions() {
	name, err := copyOf("../../testdata/gpt.qed")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(name)

	disk, err := qeddiskfs.Open(name, &qeddiskfs.Options{
		Format: qeddiskfs.FormatQED,
		Image:  &qedfile.Options{Writable: true},
	})
	if err != nil {
		log.Fatal(err)
	}
	n, err := disk.GoDisk().WritePartitionContents(1, bytes.NewReader(make([]byte, 4<<20)))
	if err := errors.Join(err, disk.Close()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, "bytes written")

	disk, err = qeddiskfs.Open(name, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	volume, err := disk.Volume("p1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("p1 holds %q now\n", volume.Filesystem)
	// Output:
	// 4194304 bytes written
	// p1 holds "" now
}

func ExampleStorageOptions() {
	img, err := qedfile.CreateIn(backend.NewMemory(nil), 10<<20, nil)
	if err != nil {
		log.Fatal(err)
	}
	storage := qeddiskfs.NewStorage(img, &qeddiskfs.StorageOptions{Writable: true, Name: "new.qed"})
	disk, err := diskfs.OpenBackend(storage)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	table := &mbr.Table{Partitions: []*mbr.Partition{{Type: mbr.Linux, Start: 2048, Size: 4096}}}
	if err := disk.Partition(table); err != nil {
		log.Fatal(err)
	}
	p := disk.Table.GetPartitions()[0]
	fmt.Println(p.GetStart(), p.GetSize())
	// Output: 1048576 2097152
}

// The methods of go-diskfs's FileSystem that would change it are refused.
func ExampleFileSystem() {
	disk, err := qeddiskfs.Open("../../testdata/bare-ext4.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	var fsys qeddiskfs.FileSystem
	fsys, err = qeddiskfs.GetFilesystem(disk.GoDisk(), 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("label %q\n", fsys.Label())
	err = fsys.Mkdir("new")
	fmt.Println(errors.Is(err, filesystem.ErrReadonlyFilesystem))
	// Output:
	// label "bare"
	// true
}

// Sys of every file is a Stat.
func ExampleStat() {
	disk, err := qeddiskfs.Open("../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	info, err := disk.FS().Stat("p2/etc/hostname")
	if err != nil {
		log.Fatal(err)
	}
	st := info.Sys().(*qeddiskfs.Stat)
	fmt.Println(st.UID, st.GID, st.Nlink, st.Size)
	// Output: 0 0 1 8
}

// copyOf returns the name of a copy of a file.
func copyOf(name string) (string, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp("", "example-*.qed")
	if err != nil {
		return "", err
	}
	_, err = f.Write(b)
	return f.Name(), errors.Join(err, f.Close())
}

// Further disks of the same machine: their arrays and volume groups are put
// together.
func ExampleNamedDisk() {
	var disks []qeddiskfs.NamedDisk
	for _, name := range []string{"gpt", "lvm"} {
		img, err := qedfile.Open("../../testdata/"+name+".qed", nil)
		if err != nil {
			log.Fatal(err)
		}
		disks = append(disks, qeddiskfs.NamedDisk{Name: name, Disk: img})
	}
	disk, err := qeddiskfs.OpenDisks(disks, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	for _, d := range disk.Disks() {
		fmt.Println(d.Name, d.Disk.Size())
	}
	// Output:
	// gpt 25165824
	// lvm 25165824
}
