package imagefs_test

import (
	"bytes"
	"errors"
	"fmt"
	"log"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// A raw disk is opened only where the caller says that it is one.
func ExampleFormat() {
	const name = "../../../testdata/chain-base.raw"
	_, err := imagefs.Open(name, nil)
	fmt.Println(errors.Is(err, qedfile.ErrFormat))

	disk, err := imagefs.Open(name, &imagefs.Options{Format: imagefs.FormatRaw})
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	fmt.Println(disk.Size(), "bytes")
	// Output:
	// true
	// 98304 bytes
}

// An image with a backing file needs a rule that says which may be opened.
func ExampleOptions() {
	const name = "../../../testdata/chain.qed"
	disk, err := imagefs.Open(name, &imagefs.Options{
		Image: &qedfile.Options{Backing: qedfile.SiblingBacking(name)},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	fmt.Println(disk.Size(), "bytes")
	// Output: 524288 bytes
}

func ExampleNote() {
	// A disk whose first copy of the GPT is damaged.
	img, err := qedfile.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	b := make([]byte, img.Size())
	if _, err := img.ReadAt(b, 0); err != nil {
		log.Fatal(err)
	}
	b[512+16] ^= 0xff
	raw, err := qedfile.NewRaw(backend.NewMemory(b))
	if err != nil {
		log.Fatal(err)
	}
	disk, err := imagefs.OpenDisk(raw, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	notes, err := disk.Notes()
	if err != nil {
		log.Fatal(err)
	}
	for _, n := range notes {
		fmt.Printf("%q: %s\n", n.Volume, n.Text)
	}
	// Output: "": the primary GPT is damaged; the backup at the end of the disk was used
}

// A volume that cannot be read is there, and says why.
func ExampleVolumeError() {
	luks := make([]byte, 1<<20)
	copy(luks, "LUKS\xba\xbe\x00\x02")
	raw, err := qedfile.NewRaw(backend.NewMemory(luks))
	if err != nil {
		log.Fatal(err)
	}
	disk, err := imagefs.OpenDisk(raw, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	volume, err := disk.Volume("disk")
	if err != nil {
		log.Fatal(err)
	}
	_, err = volume.FS()
	var v *imagefs.VolumeError
	fmt.Println(errors.As(err, &v) && v.Volume == "disk", errors.Is(err, imagefs.ErrUnsupported))
	// Output: true true
}

// An encrypted volume is asked a key for, and then shown as what is inside it.
func ExampleEncryption() {
	disk, err := imagefs.Open("../../../testdata/encrypted.qed", &imagefs.Options{
		Key: func(r imagefs.KeyRequest) ([]byte, error) {
			if r.Volume != "p1" || r.Attempt > 0 {
				return nil, imagefs.ErrLocked // stays closed
			}
			return []byte("one"), nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	volumes, err := disk.Volumes()
	if err != nil {
		log.Fatal(err)
	}
	for _, v := range volumes {
		var e *imagefs.Encryption = v.Encryption
		fmt.Println(v.Name, v.Filesystem, e != nil && e.Type == "LUKS1")
	}
	// Output:
	// p1 ext2 true
	// p2 crypto_LUKS false
}

// A header that is kept apart is named with the volume that it belongs to.
func ExampleHeader() {
	header := bytes.NewReader(make([]byte, 16<<20)) // of cryptsetup --header
	opts := &imagefs.Options{
		Headers: []imagefs.Header{{Volume: "p2", Reader: header, Size: header.Size()}},
	}
	fmt.Println(len(opts.Headers))
	// Output: 1
}

// Two disks of one machine. Volumes of the second whose names are taken have
// its own before theirs.
func ExampleOpenDisks() {
	var disks []imagefs.NamedDisk
	for _, name := range []string{"gpt", "lvm"} {
		img, err := qedfile.Open("../../../testdata/"+name+".qed", nil)
		if err != nil {
			log.Fatal(err)
		}
		disks = append(disks, imagefs.NamedDisk{Name: name, Disk: img})
	}
	disk, err := imagefs.OpenDisks(disks, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	volumes, err := disk.Volumes()
	if err != nil {
		log.Fatal(err)
	}
	for _, v := range volumes {
		var kind imagefs.VolumeKind = v.Kind
		fmt.Println(v.Name, kind, v.Disk)
	}
	// Output:
	// p1 partition gpt
	// p2 partition gpt
	// lvm.p1 partition lvm
	// lvm.p2 partition lvm
	// vg-root lv lvm
	// vg-my--data lv lvm
	// vg-snapshots lv lvm
}
