package bitlocker_test

import (
	"context"
	"fmt"
	"io/fs"
	"log"

	"github.com/qedfs/qedfs/adapters/diskfs/bitlocker"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

// The first partition of a disk is opened by its recovery password, which may also
// be in the text that Windows saved it in.
func Example() {
	disk, err := imagefs.Open("../../../testdata/bitlocker.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	partition, err := disk.Volume("p1")
	if err != nil {
		log.Fatal(err)
	}
	var c *bitlocker.Container
	if c, err = bitlocker.Open(partition.Reader(), partition.Size); err != nil {
		log.Fatal(err)
	}
	var info bitlocker.Info = c.Info()
	fmt.Println(info.Cipher, info.KeySize, info.Description)
	var p bitlocker.Protector
	for _, p = range info.Protectors {
		fmt.Println(p.Kind)
	}
	var v *bitlocker.Volume
	if v, err = c.Unlock(context.Background(), []byte("236808-089419-192665-495704-618299-073414-538373-542366")); err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	fsys, err := filesystem.Open(v, v.Size())
	if err != nil {
		log.Fatal(err)
	}
	b, err := fs.ReadFile(fsys, "hello.txt")
	fmt.Printf("%s%v\n", b, err)
	// Output:
	// aes-xts-plain64 128 MACHINE drive 1/2/2026
	// TPM
	// smart card
	// protector 0x7777
	// password
	// recovery password
	// startup key
	// hello from LOCKED
	// <nil>
}
