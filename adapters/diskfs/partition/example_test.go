package partition_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/qedfs/qedfs/adapters/diskfs/partition"
	"github.com/qedfs/qedfs/qedfile"
)

func ExampleRead() {
	disk, err := qedfile.Open("../../../testdata/mbr-logical.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	table, err := partition.Read(disk, disk.Size(), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(table.Scheme, table.ID)
	for _, p := range table.Partitions {
		fmt.Printf("%d: type %s, %d bytes at %d\n", p.Number, p.Type, p.Size, p.Offset)
	}
	// Output:
	// dos 0xcafe1234
	// 1: type 0x0c, 3145728 bytes at 1048576
	// 2: type 0x05, 12582912 bytes at 4194304
	// 5: type 0x83, 4194304 bytes at 5242880
	// 6: type 0x83, 4194304 bytes at 10485760
}

// A disk of 4096-byte sectors in a file says nothing of its sectors.
func ExampleOptions() {
	disk, err := qedfile.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	_, err = partition.Read(disk, disk.Size(), &partition.Options{SectorSize: 4096})
	fmt.Println(errors.Is(err, partition.ErrDamaged))    // looked for in the wrong places
	table, err := partition.Read(disk, disk.Size(), nil) // found out
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(table.SectorSize)
	// Output:
	// true
	// 512
}

func ExampleTable_Partition() {
	disk, err := qedfile.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	table, err := partition.Read(disk, disk.Size(), nil)
	if err != nil {
		log.Fatal(err)
	}
	var p *partition.Partition
	if p, err = table.Partition(2); err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Name, p.Offset, p.Size)
	_, err = table.Partition(3)
	fmt.Println(err)
	// Output:
	// root 5242880 16777216
	// partition: no partition 3
}
