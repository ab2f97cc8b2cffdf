package backend_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qedfs/qedfs/backend"
)

// everyOther fails every other request as fail says, and answers the others
// with a few bytes of what they ask for.
func everyOther(content []byte, fail func(http.ResponseWriter)) http.HandlerFunc {
	var asked atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1)%2 == 0 {
			fail(w)
			return
		}
		var first, last int
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		last = min(last, first+9, len(content)-1)
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, len(content)))
		w.WriteHeader(http.StatusPartialContent)
		w.Write(content[first : last+1])
	}
}

func TestHTTPCountsFailuresInARowOnly(t *testing.T) {
	want := content(1000)
	url := serve(t, everyOther(want, func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }))
	h, err := backend.OpenHTTP(t.Context(), url, &backend.HTTPOptions{Retries: 1, RetryWait: time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	got := make([]byte, 500)
	if n, err := h.ReadAt(got, 100); n != 500 || err != nil || string(got) != string(want[100:600]) {
		t.Errorf("ReadAt = %d, %v, or other bytes, though no two requests failed in a row", n, err)
	}
}

func TestHTTPWaitsAsLongAsTheServerAsks(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	url := serve(t, everyOther(content(15), func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	// Left alone it would wait for ten seconds, the most it ever does.
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	begun := time.Now()
	h, err := backend.OpenHTTP(ctx, url, &backend.HTTPOptions{RetryWait: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if n, err := h.ReadAt(make([]byte, 5), 10); n != 5 || err != nil {
		t.Errorf("ReadAt = %d, %v", n, err)
	}
	if waited := time.Since(begun); waited < time.Second {
		t.Errorf("it waited for %v only", waited)
	}
}
