package qedfile_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// An image in memory.
func ExampleNewReader() {
	b, err := os.ReadFile("../testdata/bare-ext4.qed")
	if err != nil {
		log.Fatal(err)
	}

	img, err := qedfile.NewReader(bytes.NewReader(b), int64(len(b)), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	fmt.Println(img.Size(), "bytes")
	// Output: 8388608 bytes
}

// An image in a zip archive, which must be stored there without compression.
func ExampleNewReader_zip() {
	archive := zipped("../testdata/bare-ext4.qed")

	z, err := zip.NewReader(archive, archive.Size())
	if err != nil {
		log.Fatal(err)
	}
	off, err := z.File[0].DataOffset()
	if err != nil {
		log.Fatal(err)
	}
	member := io.NewSectionReader(archive, off, int64(z.File[0].UncompressedSize64))
	img, err := qedfile.NewReader(member, member.Size(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	fmt.Println(img.Size(), "bytes")
	// Output: 8388608 bytes
}

// An image on a web server. The cache joins and keeps what is read.
func ExampleNew_http() {
	server := httptest.NewServer(http.FileServer(http.Dir("../testdata")))
	defer server.Close()

	h, err := backend.OpenHTTP(context.Background(), server.URL+"/bare-ext4.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	c, err := backend.NewCached(h, nil)
	if err != nil {
		log.Fatal(err)
	}
	img, err := qedfile.New(c, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	fmt.Println(img.Size(), "bytes")
	// Output: 8388608 bytes
}

// zipped is an archive with one file.
func zipped(name string) *bytes.Reader {
	b, err := os.ReadFile(name)
	if err != nil {
		log.Fatal(err)
	}
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	w, err := z.CreateHeader(&zip.FileHeader{Name: "disk.qed", Method: zip.Store})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		log.Fatal(err)
	}
	if err := z.Close(); err != nil {
		log.Fatal(err)
	}
	return bytes.NewReader(archive.Bytes())
}
