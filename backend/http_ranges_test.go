package backend_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qedfs/qedfs/backend"
)

// someRanges are parts of a megabyte, in order, past what is asked for first.
func someRanges() (reads []*backend.RangeRead) {
	for _, r := range []backend.Range{{Off: 100_000, Len: 10}, {Off: 200_000, Len: 5000}, {Off: 205_000, Len: 1}, {Off: 700_000, Len: 100_000}, {Off: 1<<20 - 5, Len: 5}} {
		reads = append(reads, &backend.RangeRead{Off: r.Off, P: make([]byte, r.Len)})
	}
	return reads
}

// inParts answers with parts of b, each of which says that it lies where it
// does, or elsewhere by shift.
func inParts(w http.ResponseWriter, b []byte, shift int64, parts ...backend.Range) {
	m := multipart.NewWriter(w)
	w.Header().Set("ETag", `"v1"`)
	w.Header().Set("Last-Modified", time.Unix(1e9, 0).UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "multipart/byteranges; boundary="+m.Boundary())
	w.WriteHeader(http.StatusPartialContent)
	for _, p := range parts {
		part, _ := m.CreatePart(textproto.MIMEHeader{"Content-Range": {
			fmt.Sprintf("bytes %d-%d/%d", p.Off+shift, p.Off+shift+p.Len-1, len(b))}})
		part.Write(b[p.Off : p.Off+p.Len])
	}
	m.Close()
}

func TestHTTPReadsSeveralRangesAtOnce(t *testing.T) {
	b := content(1 << 20)
	for _, tt := range []struct {
		name     string
		several  http.HandlerFunc // answers a request for several ranges
		requests int64            // that it takes
		again    bool             // it is asked so again
	}{
		{"as it should", good(b), 1, true},
		{"joined and in another order", func(w http.ResponseWriter, _ *http.Request) {
			inParts(w, b, 0, backend.Range{Off: 699_000, Len: 1<<20 - 699_000}, backend.Range{Off: 100_000, Len: 105_001})
		}, 1, true},
		{"some of them", func(w http.ResponseWriter, _ *http.Request) {
			inParts(w, b, 0, backend.Range{Off: 199_000, Len: 7000})
		}, 4, true},
		{"all of the resource", func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Range")
			good(b)(w, r)
		}, 6, false},
		{"the first alone", func(w http.ResponseWriter, r *http.Request) {
			first, _, _ := strings.Cut(r.Header.Get("Range"), ",")
			r.Header.Set("Range", first)
			good(b)(w, r)
		}, 6, false},
		{"nothing", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }, 6, false},
		{"later", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, 6, true},
		{"cut off", func(w http.ResponseWriter, r *http.Request) {
			good(b)(&breaking{ResponseWriter: w, left: 3000}, r)
		}, 5, true},
		{"past the end", func(w http.ResponseWriter, _ *http.Request) {
			inParts(w, b, 1<<20, backend.Range{Off: 199_000, Len: 7000})
		}, 6, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var n atomic.Int64
			h := openHTTP(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				n.Add(1)
				if strings.Contains(r.Header.Get("Range"), ",") {
					tt.several(w, r)
					return
				}
				good(b)(w, r)
			}))
			defer h.Close()
			n.Store(0)
			reads := someRanges()
			h.ReadRanges(reads)
			for _, r := range reads {
				if r.Err != nil || !bytes.Equal(r.P, b[r.Off:][:len(r.P)]) {
					t.Errorf("%d bytes at %d: %v, or they differ", len(r.P), r.Off, r.Err)
				}
			}
			if n.Load() != tt.requests || h.ReadsRanges() != tt.again {
				t.Errorf("%d requests, again %v; want %d, %v", n.Load(), h.ReadsRanges(), tt.requests, tt.again)
			}
		})
	}
}

func TestHTTPMixesNoVersionsInRanges(t *testing.T) {
	old, changed := content(1<<20), bytes.Repeat([]byte{1}, 1<<20)
	var opened atomic.Bool
	h := openHTTP(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !opened.Swap(true) {
			good(old)(w, r)
			return
		}
		r.Header.Del("If-Match") // a server that does not look at it
		r.Header.Del("If-Unmodified-Since")
		w.Header().Set("ETag", `"v2"`)
		http.ServeContent(w, r, "", time.Unix(1e9, 0), bytes.NewReader(changed))
	}))
	defer h.Close()
	reads := someRanges()
	h.ReadRanges(reads)
	for _, r := range reads {
		if !errors.Is(r.Err, backend.ErrChanged) {
			t.Errorf("%d bytes at %d: %v, want ErrChanged", len(r.P), r.Off, r.Err)
		}
	}
}

func TestHTTPRangesPastTheEndOrAfterCloseAreErrors(t *testing.T) {
	b := content(1 << 20)
	h := openHTTP(t, serve(t, good(b)))
	inside := &backend.RangeRead{Off: 500_000, P: make([]byte, 10)}
	past := &backend.RangeRead{Off: 1<<20 - 5, P: make([]byte, 10)}
	start := &backend.RangeRead{Off: 5, P: make([]byte, 10)} // which is there since it was opened
	h.ReadRanges([]*backend.RangeRead{start, inside, past})
	if inside.Err != nil || start.Err != nil || !bytes.Equal(start.P, b[5:15]) || !errors.Is(past.Err, io.ErrUnexpectedEOF) {
		t.Errorf("errors %v, %v, %v", start.Err, inside.Err, past.Err)
	}
	h.Close()
	h.ReadRanges([]*backend.RangeRead{inside, past})
	if inside.Err == nil || past.Err == nil {
		t.Errorf("after Close: %v, %v", inside.Err, past.Err)
	}
}

// rangesReader counts how it is read.
type rangesReader struct {
	backend.Reader
	asked [][]backend.Range
	fail  int64 // no range that has this offset can be read
}

func (r *rangesReader) ReadsRanges() bool { return true }

func (r *rangesReader) ReadRanges(reads []*backend.RangeRead) {
	var asked []backend.Range
	for _, read := range reads {
		asked = append(asked, backend.Range{Off: read.Off, Len: int64(len(read.P))})
		if read.Off <= r.fail && r.fail < read.Off+int64(len(read.P)) {
			read.Err = errors.New("unreadable")
			continue
		}
		_, read.Err = r.ReadAt(read.P, read.Off)
	}
	r.asked = append(r.asked, asked)
}

func TestCachedAsksForWhatIsAnnouncedByFewRequests(t *testing.T) {
	b := content(8 << 20)
	r := &rangesReader{Reader: backend.NewMemory(b), fail: 1 << 20}
	c := newCached(t, r, nil)
	var ranges []backend.Range
	for i := range int64(50) {
		ranges = append(ranges, backend.Range{Off: i * 128 << 10, Len: 100}, backend.Range{Off: i * 128 << 10, Len: 200})
	}
	slices.Reverse(ranges)
	c.Prefetch(ranges)
	p := make([]byte, 200)
	for _, x := range ranges {
		if n, err := c.ReadAt(p, x.Off); n != 200 || err != nil || !bytes.Equal(p, b[x.Off:x.Off+200]) {
			t.Errorf("ReadAt %d: %d, %v, or the bytes differ", x.Off, n, err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if len(r.asked) != 1 || len(r.asked[0]) != 50 || r.asked[0][1] != (backend.Range{Off: 128 << 10, Len: 4096}) {
		t.Errorf("asked for %v, want 50 blocks at once", r.asked)
	}
}
