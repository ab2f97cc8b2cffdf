package imagefs_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/qedfile"
)

func ExampleNewReader() {
	image, err := os.ReadFile("../../../testdata/gpt.qed")
	if err != nil {
		log.Fatal(err)
	}
	disk, err := imagefs.NewReader(bytes.NewReader(image), int64(len(image)), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	b, err := fs.ReadFile(disk.FS(), "p2/etc/hostname")
	fmt.Printf("%s%v\n", b, err)
	// Output:
	// example
	// <nil>
}

// A stored member of a zip archive is read in place.
func ExampleNewReader_zip() {
	image, err := os.ReadFile("../../../testdata/gpt.qed")
	if err != nil {
		log.Fatal(err)
	}
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	member, err := w.CreateHeader(&zip.FileHeader{Name: "disk.qed", Method: zip.Store})
	if err == nil {
		_, err = member.Write(image)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		log.Fatal(err)
	}

	r, err := zip.NewReader(bytes.NewReader(archive.Bytes()), int64(archive.Len()))
	if err != nil {
		log.Fatal(err)
	}
	off, err := r.File[0].DataOffset()
	if err != nil {
		log.Fatal(err)
	}
	size := int64(r.File[0].UncompressedSize64)
	disk, err := imagefs.NewReader(io.NewSectionReader(bytes.NewReader(archive.Bytes()), off, size), size, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	info, err := disk.FS().Stat("p2/etc")
	fmt.Println(info.Name(), info.Mode(), err)
	// Output: etc drwxr-xr-x <nil>
}

func TestEveryConstructorTakesTheSameOptions(t *testing.T) {
	image, err := os.ReadFile("../../../testdata/gpt.qed")
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(image))
	for _, c := range []struct {
		opts *imagefs.Options
		want error
	}{
		{nil, nil},
		{&imagefs.Options{Format: imagefs.FormatQED, SectorSize: 512}, nil},
		{&imagefs.Options{SectorSize: 1000}, fs.ErrInvalid},
		{&imagefs.Options{Format: "cow"}, fs.ErrInvalid},
	} {
		d, err := imagefs.NewReader(bytes.NewReader(image), size, c.opts)
		if !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.opts, err, c.want)
		}
		if err == nil {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := imagefs.NewReader(bytes.NewReader(make([]byte, 4096)), 4096, nil); !errors.Is(err, qedfile.ErrFormat) {
		t.Errorf("zeroes as an image: %v", err)
	}
	d, err := imagefs.NewReader(bytes.NewReader(make([]byte, 4096)), 4096, &imagefs.Options{Format: imagefs.FormatRaw})
	if err != nil {
		t.Fatal(err)
	}
	if d.Size() != 4096 {
		t.Errorf("a raw disk of %d bytes", d.Size())
	}
}
