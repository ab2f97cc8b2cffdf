package backend_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/qedfs/qedfs/backend"
)

// A Reader of one's own: whatever has bytes at offsets and a length.
type text struct{ *bytes.Reader }

func (t text) Size() (int64, error) { return t.Reader.Size(), nil }
func (t text) Close() error         { return nil }

func ExampleReader() {
	var r backend.Reader = text{bytes.NewReader([]byte("any bytes"))}
	defer r.Close()
	cached, err := backend.NewCached(r, &backend.CacheOptions{BlockSize: 4096, Budget: 1 << 20})
	if err != nil {
		log.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(cached, 0, 100))
	fmt.Printf("%s, %v\n", b, err)
	// Output: any bytes, <nil>
}

func ExampleStorage() {
	var s backend.Storage = backend.NewMemory(nil)
	defer s.Close()
	if err := s.Truncate(1 << 20); err != nil {
		log.Fatal(err)
	}
	_, err := s.WriteAt([]byte("data"), 4096)
	if err := errors.Join(err, s.Sync()); err != nil { // durable from here on
		log.Fatal(err)
	}
	// CopyRange leaves out what neither side needs to hold.
	to := backend.NewMemory(nil)
	if err := backend.CopyRange(context.Background(), to, 0, s, 4096, 4); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", to.Bytes())
	// Output: data
}

// Holes are found and made through any stack of storages.
func ExampleHolePuncher() {
	m := backend.NewMemory(bytes.Repeat([]byte{1}, 256<<10))
	var puncher backend.HolePuncher = m
	if err := puncher.PunchHole(0, 192<<10); err != nil {
		log.Fatal(err)
	}
	var finder backend.DataFinder = m
	start, end, err := finder.NextData(0)
	fmt.Println(start, end, err)
	// Output: 196608 262144 <nil>
}

// Space is taken ahead where the host can, and else not at all.
func ExampleAllocate() {
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
	var allocator backend.Allocator = f
	err = allocator.Allocate(0, 1<<20)
	size, _ := f.Size()
	fmt.Println(size == 1<<20 || errors.Is(err, errors.ErrUnsupported))
	// Output: true
}

// What is going to be read is fetched in one request, while the caller works.
func ExamplePrefetcher() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Unix(1e9, 0), bytes.NewReader(make([]byte, 1<<20)))
	}))
	defer server.Close()
	h, err := backend.OpenHTTP(context.Background(), server.URL, &backend.HTTPOptions{
		Head:    4 << 10,
		Timeout: 10 * time.Second,
	})
	if err != nil {
		log.Fatal(err)
	}
	c, err := backend.NewCached(h, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	var p backend.Prefetcher = c
	p.Prefetch([]backend.Range{{Off: 512 << 10, Len: 64 << 10}, {Off: 576 << 10, Len: 64 << 10}})
	_, err = c.ReadAt(make([]byte, 128<<10), 512<<10)
	fmt.Println(err)
	// Output: <nil>
}

func ExampleFileOptions() {
	// A file that another process writes is refused, unless it is asked for.
	f, err := backend.OpenFile("backend.go", os.O_RDONLY, &backend.FileOptions{ForceShare: true})
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	fmt.Println("locked:", f.Locked())
	// Output: locked: false
}

func ExampleMappedOptions() {
	f, err := backend.OpenFile("backend.go", os.O_RDONLY, nil)
	if err != nil {
		log.Fatal(err)
	}
	// Files of NFS, too: the caller knows that the server stays.
	m := backend.NewMapped(f, &backend.MappedOptions{Remote: true})
	defer m.Close()
	size, err := m.Size()
	fmt.Println(size > 0, err)
	// Output: true <nil>
}

// several is a storage that is asked for many ranges at once.
type several struct {
	*backend.Memory
	asked int
}

func (s *several) ReadsRanges() bool { return true }

func (s *several) ReadRanges(reads []*backend.RangeRead) {
	s.asked++
	for _, r := range reads {
		_, r.Err = s.ReadAt(r.P, r.Off)
	}
}

// What is announced is asked for at once, of a storage that can be.
func ExampleRangesReader() {
	s := &several{Memory: backend.NewMemory(make([]byte, 4<<20))}
	var _ backend.RangesReader = s
	c, err := backend.NewCached(s, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	c.Prefetch([]backend.Range{{Off: 0, Len: 4096}, {Off: 1 << 20, Len: 4096}, {Off: 3 << 20, Len: 4096}})
	for _, off := range []int64{0, 1 << 20, 3 << 20} {
		if _, err := c.ReadAt(make([]byte, 4096), off); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(s.asked)
	// Output: 1
}
