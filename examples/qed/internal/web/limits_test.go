package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// crowd is a filesystem of one directory with very many files, all of which
// are as long as a file can be, and hold nothing.
type crowd struct{ n int }

const fileLength = 1 << 40

var _ fstree.Engine = crowd{}

func (crowd) Info() fstree.Info { return fstree.Info{Type: "crowd"} }
func (crowd) Root() fstree.ID   { return fstree.ID{Ino: 1} }

func (c crowd) ReadDir(dir fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		if dir.Ino == 1 {
			yield(fstree.Entry{Name: "dir", ID: fstree.ID{Ino: 2}, Type: fs.ModeDir}, nil)
			return
		}
		for i := range c.n {
			e := fstree.Entry{Name: fmt.Sprintf("a file of the large directory %06d", i), ID: fstree.ID{Ino: uint64(3 + i)}}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (c crowd) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	if dir.Ino == 1 && name == "dir" {
		return fstree.Entry{Name: name, ID: fstree.ID{Ino: 2}, Type: fs.ModeDir}, nil
	}
	var i int
	if n, _ := fmt.Sscanf(name, "a file of the large directory %d", &i); dir.Ino == 2 && n == 1 && i < c.n {
		return fstree.Entry{Name: name, ID: fstree.ID{Ino: uint64(3 + i)}}, nil
	}
	return fstree.Entry{}, fs.ErrNotExist
}

func (crowd) Stat(id fstree.ID) (fstree.Stat, error) {
	if id.Ino <= 2 {
		return fstree.Stat{Ino: id.Ino, Mode: fs.ModeDir | 0o755, Nlink: 2}, nil
	}
	return fstree.Stat{Ino: id.Ino, Mode: 0o644, Nlink: 1, Size: fileLength}, nil
}

func (crowd) Readlink(fstree.ID) (string, error)             { return "", fs.ErrInvalid }
func (crowd) Xattrs(fstree.ID) (map[string][]byte, error)    { return nil, nil }
func (crowd) Open(fstree.ID) (fstree.Content, error)         { return zeroes{}, nil }
func (zeroes) Size() int64                                   { return fileLength }
func (zeroes) ReadAt(p []byte, off int64) (n int, err error) { clear(p); return len(p), nil }

type zeroes struct{}

func (zeroes) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		yield(fstree.Extent{Start: off, Length: min(n, fileLength-off), Offset: 0}, nil)
	}
}

// pipes is a listener whose connections hold nothing on the way: a write
// waits until it is read.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) dial(t *testing.T) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
	case <-time.After(30 * time.Second):
		t.Fatal("the server takes no further connection")
	}
	return ours
}

// serveCrowd serves a large directory over pipes.
func serveCrowd(t *testing.T, timeout time.Duration, places int) *pipes {
	t.Helper()
	s := &Site{Name: "crowd", Tree: fstree.New(crowd{250_000}), Problem: func(path string, err error) { t.Errorf("%s: %v", path, err) }}
	p := newPipes()
	server := &http.Server{Handler: s.handler(timeout)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(limit(p, places))
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return p
}

// ask sends a request and reads the status line of the answer, no more.
func ask(t *testing.T, c net.Conn, target string) (status string, rest *bufio.Reader) {
	t.Helper()
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target); err != nil {
		t.Fatal(err)
	}
	rest = bufio.NewReaderSize(c, 16)
	status, err := rest.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return status, rest
}

func TestManyReadersWhoStopReadingTakeLittleMemory(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(MemoryLimit))
	p := serveCrowd(t, time.Minute, maxConnections)
	stop := make(chan struct{})
	highest := make(chan uint64)
	go func() { // of what the process has of the system
		var most uint64
		for m := (runtime.MemStats{}); ; time.Sleep(5 * time.Millisecond) {
			runtime.ReadMemStats(&m)
			most = max(most, m.Sys-m.HeapReleased)
			select {
			case <-stop:
				highest <- most
				return
			default:
			}
		}
	}()
	for i := range 200 {
		target := fmt.Sprintf("/files/dir?page=%d", 1+i)
		switch {
		case i == 0:
			target = "/tar/dir"
		case i%2 == 1:
			target = fmt.Sprintf("/files/dir/a%%20file%%20of%%20the%%20large%%20directory%%20%06d", i)
		}
		c := p.dial(t)
		t.Cleanup(func() { c.Close() })
		if status, _ := ask(t, c, target); !strings.Contains(status, "200 OK") {
			t.Fatalf("%s: %s", target, status)
		}
	}
	if status, _ := ask(t, p.dial(t), "/tar/dir"); !strings.Contains(status, "503") {
		t.Errorf("one more archive: %s", status)
	}
	close(stop)
	most := <-highest
	if t.Logf("%d MiB at most", most>>20); most > 128<<20 {
		t.Errorf("%d MiB, want less than 128", most>>20)
	}
}

func TestALargeDirectoryIsListedInLittleMemory(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(MemoryLimit))
	p := serveCrowd(t, time.Minute, maxConnections)
	for _, test := range []struct {
		method, target string
		row            string
		want           int
	}{
		{"PROPFIND", "/files/dir/", "<D:response>", 250_001},
		{"GET", "/files/dir/?sort=size&order=desc&filter=9", "data-row", pageRows},
		{"GET", "/search/dir?name=*1", "data-row", maxFound},
		{"GET", "/space/dir", "data-row", maxShares},
	} {
		r, err := http.NewRequest(test.method, "http://localhost"+test.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Depth", "1")
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return p.dial(t), nil }}}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		rows, most, m := 0, uint64(0), runtime.MemStats{}
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			if n := strings.Count(lines.Text(), test.row); n > 0 {
				if rows += n; rows%10_000 == 1 {
					runtime.ReadMemStats(&m)
					most = max(most, m.Sys-m.HeapReleased)
				}
			}
		}
		answer.Body.Close()
		if rows != test.want {
			t.Errorf("%s: %d rows, want %d", test.target, rows, test.want)
		}
		if t.Logf("%s: %d MiB", test.target, most>>20); most > 128<<20 {
			t.Errorf("%s: %d MiB, want less than 128", test.target, most>>20)
		}
	}
}

func TestAnAnswerThatNobodyTakesEnds(t *testing.T) {
	p := serveCrowd(t, time.Second, maxConnections)
	for _, target := range []string{"/files/dir", "/tar/dir", "/files/dir/a%20file%20of%20the%20large%20directory%20000001"} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			c := p.dial(t)
			_, rest := ask(t, c, target)
			time.Sleep(3 * time.Second) // longer than the server waits
			if n, err := io.Copy(io.Discard, rest); err != nil || n > 64<<10 {
				t.Errorf("%s: %d bytes more, %v; the server should have ended the connection", target, n, err)
			}
		})
	}
}

func TestConnectionsBeyondTheLimitWaitForOneToEnd(t *testing.T) {
	p := serveCrowd(t, time.Minute, 2)
	first, second := p.dial(t), p.dial(t)
	defer second.Close()
	ask(t, first, "/style.css")
	third, theirs := net.Pipe()
	defer third.Close()
	select {
	case p.conns <- theirs:
		t.Fatal("a third connection is taken beside two")
	case <-time.After(50 * time.Millisecond):
	}
	first.Close()
	p.conns <- theirs
	if status, _ := ask(t, third, "/style.css"); !strings.Contains(status, "200 OK") {
		t.Error(status)
	}
}

func TestALargeDirectoryComesInPages(t *testing.T) {
	p := serveCrowd(t, time.Minute, maxConnections)
	client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return p.dial(t), nil }}}
	defer client.CloseIdleConnections()
	const names = "<bdi>a file of the large directory "
	for target, want := range map[string][]string{
		"/files/dir":            {"000000</bdi>", "000249</bdi>", `rel="next" href="/files/dir/?page=2"`, `<a href="/files/dir/?page=1000">last`, "entries 1 to 250 of 250,000", "0 directories, 250,000 files"},
		"/files/dir?page=2":     {"000250</bdi>", "000499</bdi>", `rel="prev" href="/files/dir/?page=1"`, `href="/files/dir/?page=3"`},
		"/files/dir/?page=1000": {"249750</bdi>", "249999</bdi>", "entries 249,751 to 250,000 of"},
	} {
		r, err := client.Get("http://localhost" + target)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if n := strings.Count(string(b), names); err != nil || n != 250 {
			t.Errorf("%s: %d names, %v, want 250", target, n, err)
		}
		for _, w := range want {
			if !strings.Contains(string(b), w) {
				t.Errorf("%s: no %s", target, w)
			}
		}
	}
	for _, target := range []string{"/files/dir?page=0", "/files/dir?page=1001", "/files/dir?page=x"} {
		r, err := client.Get("http://localhost" + target)
		if err != nil {
			t.Fatal(err)
		}
		if r.Body.Close(); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", target, r.Status)
		}
	}
}
