package treediff_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/adapters/diskfs/treediff"
)

// Times do not count where the same files were copied at another time.
func ExampleOptions() {
	disk, err := imagefs.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	a := treediff.Side{Tree: disk.FS(), Root: "p2/etc"}
	same := true
	for d, err := range treediff.Compare(context.Background(), a, a, &treediff.Options{NoTimes: true}) {
		if err != nil {
			log.Fatal(err)
		}
		same = same && d == nil
	}
	fmt.Println(same)
	// Output: true
}

func ExampleDifference() {
	disk, err := imagefs.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	a := treediff.Side{Tree: disk.FS(), Root: "p2/etc/hostname"}
	b := treediff.Side{Tree: disk.FS(), Root: "p2/etc/os-release"}
	for d, err := range treediff.Compare(context.Background(), a, b, &treediff.Options{NoTimes: true}) {
		if err != nil {
			log.Fatal(err)
		}
		var first, second *treediff.File = d.A, d.B
		fmt.Println(first.Path, first.Stat.Size, second.Path, second.Stat.Size, d.Fields)
	}
	// Output: p2/etc/hostname 8 p2/etc/os-release 47 [size content]
}

func ExampleSideError() {
	disk, err := imagefs.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	a := treediff.Side{Tree: disk.FS(), Root: "p2/etc"}
	b := treediff.Side{Tree: disk.FS(), Root: "p2/not/there"}
	for _, err := range treediff.Compare(context.Background(), a, b, nil) {
		var side *treediff.SideError
		if errors.As(err, &side) {
			fmt.Println(side.Second, errors.Is(err, fs.ErrNotExist))
		}
	}
	// Output: true true
}
