package backend_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
)

// serve starts a server for one resource.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL + "/disk.qed"
}

// good serves b as a web server should.
func good(b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		http.ServeContent(w, r, "", time.Unix(1e9, 0), bytes.NewReader(b))
	}
}

var quick = &backend.HTTPOptions{RetryWait: time.Millisecond}

func openHTTP(t *testing.T, url string) *backend.HTTP {
	t.Helper()
	h, err := backend.OpenHTTP(t.Context(), url, quick)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHTTPIsAReader(t *testing.T) {
	backendtest.TestReader(t, func(t *testing.T, b []byte) backend.Reader {
		return openHTTP(t, serve(t, good(b)))
	})
}

func TestHTTPOfAFlakyServerIsAReader(t *testing.T) {
	backendtest.TestReader(t, func(t *testing.T, b []byte) backend.Reader {
		var n atomic.Int64
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			switch n.Add(1) % 5 {
			case 0:
				w.WriteHeader(http.StatusServiceUnavailable)
			case 1:
				good(b)(w, r)
			case 2:
				panic(http.ErrAbortHandler) // the connection breaks before an answer
			case 3:
				good(b)(&breaking{ResponseWriter: w, left: 1000}, r)
			default:
				good(b)(w, r)
			}
		})
		// With many readers one may be unlucky many times in a row.
		h, err := backend.OpenHTTP(t.Context(), url, &backend.HTTPOptions{Retries: 100, RetryWait: time.Microsecond})
		if err != nil {
			t.Fatal(err)
		}
		return h
	})
}

// breaking breaks the connection after some bytes of the body.
type breaking struct {
	http.ResponseWriter
	left int
}

func (b *breaking) Write(p []byte) (int, error) {
	if len(p) <= b.left {
		b.left -= len(p)
		return b.ResponseWriter.Write(p)
	}
	b.ResponseWriter.Write(p[:b.left])
	panic(http.ErrAbortHandler)
}

func TestHTTPRefusesServersThatItCannotTrust(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	partial := func(contentRange string, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", contentRange)
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(http.StatusPartialContent)
			w.Write([]byte("0123456789"))
		}
	}
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		is      error
		says    string
	}{
		{"no ranges", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("everything")) }, backend.ErrNoRanges, ""},
		{"ranges refused", status(http.StatusRequestedRangeNotSatisfiable), backend.ErrNoRanges, ""},
		{"not there", status(http.StatusNotFound), fs.ErrNotExist, "404"},
		{"not allowed", status(http.StatusForbidden), fs.ErrPermission, "403"},
		{"broken for good", status(http.StatusBadGateway), nil, "502"},
		{"a strange status", status(http.StatusTeapot), nil, "418"},
		{"no size", partial("bytes 0-0/*"), backend.ErrNoRanges, "size"},
		{"no Content-Range", partial(""), nil, "Content-Range"},
		{"compressed", partial("bytes 0-0/10", "Content-Encoding", "gzip"), backend.ErrNoRanges, "gzip"},
		{"another range", partial("bytes 3-3/10"), nil, "1 at 3"},
		{"too much", partial("bytes 0-99999/100000"), nil, "100000 at 0"},
		{"an impossible range", partial("bytes 9-0/10"), nil, "impossible"},
		{"a range beyond the size", partial("bytes 0-0/0"), nil, "impossible"},
		{"a huge number", partial("bytes 0-0/99999999999999999999"), nil, "number"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, err := backend.OpenHTTP(t.Context(), serve(t, tt.handler), quick)
			if err == nil {
				h.Close()
				t.Fatal("it was opened")
			}
			if tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %q, want one that is %v and says %q", err, tt.is, tt.says)
			}
		})
	}
}

func TestHTTPNoticesThatTheResourceChanges(t *testing.T) {
	a, b := bytes.Repeat([]byte{'a'}, 100_000), bytes.Repeat([]byte{'b'}, 100_000)
	serveAs := func(etag string, at int64, content []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if etag != "" {
				w.Header().Set("ETag", etag)
			}
			http.ServeContent(w, r, "", time.Unix(at, 0), bytes.NewReader(content))
		}
	}
	// deaf ignores the condition in the request.
	deaf := func(handler http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("If-Match")
			r.Header.Del("If-Unmodified-Since")
			handler(w, r)
		}
	}
	for _, tt := range []struct {
		name          string
		before, after http.HandlerFunc
	}{
		{"by its entity tag", serveAs(`"1"`, 1e9, a), serveAs(`"2"`, 1e9, b)},
		{"by its date", serveAs("", 1e9, a), serveAs("", 1e9+5, b)},
		{"by a weak entity tag", serveAs(`W/"1"`, 1e9, a), serveAs(`W/"2"`, 1e9, b)},
		{"by its size", serveAs("", 0, a), serveAs("", 0, b[:99_999])},
		{"by having become shorter than what is read", serveAs("", 0, a), serveAs("", 0, b[:10])},
		{"on a server without conditions", deaf(serveAs(`"1"`, 1e9, a)), deaf(serveAs(`"2"`, 1e9, b))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var changed atomic.Bool
			h := openHTTP(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				if changed.Load() {
					tt.after(w, r)
				} else {
					tt.before(w, r)
				}
			}))
			p := make([]byte, 100)
			if n, err := h.ReadAt(p, 90_000); n != 100 || err != nil {
				t.Fatalf("before the change ReadAt = %d, %v", n, err)
			}
			changed.Store(true)
			if n, err := h.ReadAt(p, 90_000); n != 0 || !errors.Is(err, backend.ErrChanged) {
				t.Errorf("after the change ReadAt = %d, %v, want ErrChanged", n, err)
			}
		})
	}
}

func TestHTTPGivesUpAfterItsRetries(t *testing.T) {
	for _, tt := range []struct {
		retries int
		want    int64
	}{{-1, 1}, {0, 4}, {2, 3}} {
		var asked atomic.Int64
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		_, err := backend.OpenHTTP(t.Context(), url, &backend.HTTPOptions{Retries: tt.retries, RetryWait: time.Microsecond})
		if err == nil || asked.Load() != tt.want {
			t.Errorf("Retries %d: %d requests, %v, want %d and an error", tt.retries, asked.Load(), err, tt.want)
		}
	}
}

func TestHTTPReadEndsWithItsContextAndWithClose(t *testing.T) {
	for name, end := range map[string]func(h *backend.HTTP, cancel func()){
		"context": func(_ *backend.HTTP, cancel func()) { cancel() },
		"Close":   func(h *backend.HTTP, _ func()) { h.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan struct{}, 1)
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.Header.Get("Range"), "bytes=0-") {
					good(make([]byte, 100_000))(w, r)
					return
				}
				asked <- struct{}{}
				<-r.Context().Done() // never answers
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			h, err := backend.OpenHTTP(ctx, url, quick)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				<-asked
				end(h, cancel)
			}()
			if n, err := h.ReadAt(make([]byte, 10), 90_000); n != 0 || !errors.Is(err, fs.ErrClosed) {
				t.Errorf("ReadAt = %d, %v, want fs.ErrClosed", n, err)
			}
		})
	}
}

func TestHTTPSilentServerTimesOut(t *testing.T) {
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	_, err := backend.OpenHTTP(t.Context(), url, &backend.HTTPOptions{Timeout: 20 * time.Millisecond, Retries: -1})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("OpenHTTP: %v, want a timeout", err)
	}
}

func TestHTTPSendsTheCallersHeader(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		good([]byte("content"))(w, r)
	})
	opts := &backend.HTTPOptions{Header: http.Header{"authorization": {"Bearer secret"}}}
	h, err := backend.OpenHTTP(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if size, err := h.Size(); size != 7 || err != nil {
		t.Errorf("Size() = %d, %v", size, err)
	}
}

func TestHTTPErrorsKeepThePasswordSecret(t *testing.T) {
	url := strings.Replace(serve(t, http.NotFound), "http://", "http://user:hunter2@", 1)
	_, err := backend.OpenHTTP(t.Context(), url, quick)
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "disk.qed") {
		t.Errorf("error %v", err)
	}
	for _, bad := range []string{"ftp://host/x", "/etc/passwd", "http://%zz", ""} {
		if _, err := backend.OpenHTTP(t.Context(), bad, quick); err == nil {
			t.Errorf("%q was opened", bad)
		}
	}
}

func TestHTTPServerMaySendLessThanItIsAskedFor(t *testing.T) {
	content := content(100_000)
	h := openHTTP(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		first, last, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
		from, _ := strconv.Atoi(first)
		to, _ := strconv.Atoi(last)
		r.Header.Set("Range", "bytes="+first+"-"+strconv.Itoa(min(to, from+999)))
		good(content)(w, r)
	}))
	got := make([]byte, len(content))
	if n, err := h.ReadAt(got, 0); n != len(content) || err != nil || !bytes.Equal(got, content) {
		t.Errorf("ReadAt = %d, %v, or the bytes differ", n, err)
	}
}
