package partition_test

import (
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
	fmt.Println(table.Kind, table.ID)
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
