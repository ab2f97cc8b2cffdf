package backend_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
)

func ExampleOpenFile() {
	dir, err := os.MkdirTemp("", "backend")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	f, err := backend.OpenFile(filepath.Join(dir, "disk.raw"), os.O_RDWR|os.O_CREATE, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("boot"), 1<<20); err != nil {
		log.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		log.Fatal(err)
	}
	size, err := f.Size()
	fmt.Println(size, err)
	// Output: 1048580 <nil>
}

func ExampleFile() {
	f, err := backend.OpenFile("backend.go", os.O_RDONLY, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()

	_, err = f.WriteAt([]byte("oops"), 0)
	fmt.Println(errors.Is(err, backend.ErrReadOnly))
	// Output: true
}

func ExampleMapped() {
	f, err := backend.OpenFile("backend.go", os.O_RDONLY, nil)
	if err != nil {
		log.Fatal(err)
	}
	m := backend.NewMapped(f, nil) // reads plainly where there is no mapping
	defer m.Close()

	p := make([]byte, 15)
	if _, err := m.ReadAt(p, 0); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", p)
	// Output: package backend
}

func ExampleMemory() {
	m := backend.NewMemory([]byte("head"))
	if _, err := m.WriteAt([]byte("tail"), 1<<40); err != nil {
		log.Fatal(err)
	}
	size, _ := m.Size()
	fmt.Println(size)

	// Only what was written takes room.
	for off := int64(0); off < size; {
		start, end, err := m.NextData(off)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(start, end)
		off = end
	}
	// Output:
	// 1099511627780
	// 0 65536
	// 1099511627776 1099511627780
}

func ExampleSection() {
	disk := strings.NewReader("table|partition one|partition two")
	s, err := backend.NewSection(disk, 6, 13)
	if err != nil {
		log.Fatal(err)
	}
	p := make([]byte, 100)
	n, err := s.ReadAt(p, 0)
	fmt.Printf("%s, %v\n", p[:n], err)
	// Output: partition one, EOF
}

func ExampleHTTP() {
	server := httptest.NewServer(http.FileServer(http.Dir(".")))
	defer server.Close()

	h, err := backend.OpenHTTP(context.Background(), server.URL+"/backend.go", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	p := make([]byte, 7)
	if _, err := h.ReadAt(p, 8); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", p)

	_, err = backend.OpenHTTP(context.Background(), server.URL+"/none", nil)
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output:
	// backend
	// true
}

func ExampleCached() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Unix(1e9, 0), strings.NewReader(strings.Repeat("x", 1<<20)))
	}))
	defer server.Close()
	h, err := backend.OpenHTTP(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	counter := backendtest.NewCounter(h)
	c, err := backend.NewCached(counter, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	p := make([]byte, 512)
	for off := int64(0); off < 1<<20; off += 512 {
		if _, err := c.ReadAt(p, off); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("requests:", counter.Counts().Reads)
	// Output: requests: 9
}
