package backend_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qedfs/qedfs/backend"
)

// hosts serves each name by a handler of its own, on any port, and keeps what
// was asked.
type hosts struct {
	mu       sync.Mutex
	handlers map[string]http.HandlerFunc
	asked    []*http.Request
}

func (h *hosts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.asked = append(h.asked, r)
	handler := h.handlers[r.Host]
	h.mu.Unlock()
	handler(w, r)
}

// to returns the requests that a host got.
func (h *hosts) to(host string) []*http.Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []*http.Request
	for _, r := range h.asked {
		if r.Host == host {
			out = append(out, r)
		}
	}
	return out
}

// client connects every name to the server of h.
func (h *hosts) client(t *testing.T) *http.Client {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}}}
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

func TestHTTPSendsCredentialsToNoOtherHost(t *testing.T) {
	content := content(200_000)
	h := &hosts{handlers: map[string]http.HandlerFunc{
		"origin.example":     redirect("http://sub.origin.example/signed"),
		"sub.origin.example": good(content),
		"back.example":       redirect("http://there.example/private"),
		"password.example":   good(content),
	}}
	h.handlers["there.example"] = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/private" {
			good(content)(w, r)
			return
		}
		redirect("http://back.example/x")(w, r)
	}
	opts := &backend.HTTPOptions{
		Client: h.client(t), RetryWait: time.Millisecond,
		Header: http.Header{"Authorization": {"Bearer secret"}, "X-Token": {"secret"}, "Cookie": {"secret=1"}},
	}
	read := func(url string) {
		t.Helper()
		r, err := backend.OpenHTTP(t.Context(), url, opts)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := r.ReadAt(make([]byte, 100), 150_000); err != nil {
			t.Fatal(err)
		}
	}
	secrets := func(r *http.Request) int {
		n := 0
		for _, values := range r.Header {
			if strings.Contains(strings.Join(values, " "), "secret") {
				n++
			}
		}
		return n
	}
	read("http://origin.example/disk.qed?sig=secret")
	for _, r := range h.to("origin.example") {
		if secrets(r) != 3 {
			t.Errorf("the origin gets %v", r.Header)
		}
	}
	for _, r := range h.to("sub.origin.example") {
		if secrets(r) != 0 {
			t.Errorf("another host gets %v", r.Header)
		}
	}
	// The second request went to where the first was led to.
	if a, b := len(h.to("origin.example")), len(h.to("sub.origin.example")); a != 1 || b != 2 {
		t.Errorf("%d requests to the origin and %d to where it redirects, want 1 and 2", a, b)
	}
	// A host that is redirected to must not choose what the origin is asked
	// with the credentials.
	read("http://there.example/disk.qed")
	for _, r := range h.to("there.example") {
		if want := map[string]int{"/disk.qed": 3, "/private": 0}[r.URL.Path]; secrets(r) != want {
			t.Errorf("%s is asked with %d secrets, want %d", r.URL.Path, secrets(r), want)
		}
	}
	opts.Header = nil
	read("http://user:pass@password.example/disk.qed")
	for _, r := range h.to("password.example") {
		if user, pass, _ := r.BasicAuth(); user != "user" || pass != "pass" {
			t.Errorf("user %q password %q", user, pass)
		}
	}
}

func TestHTTPAsksTheOriginAgainWhenARedirectHasExpired(t *testing.T) {
	content := content(200_000)
	expired := false
	h := &hosts{handlers: map[string]http.HandlerFunc{}}
	h.handlers["origin.example"] = func(w http.ResponseWriter, r *http.Request) {
		to := "http://store.example/1"
		if expired {
			to = "http://store.example/2"
		}
		redirect(to)(w, r)
	}
	h.handlers["store.example"] = func(w http.ResponseWriter, r *http.Request) {
		if expired && r.URL.Path == "/1" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		good(content)(w, r)
	}
	r, err := backend.OpenHTTP(t.Context(), "http://origin.example/", &backend.HTTPOptions{Client: h.client(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	expired = true
	p := make([]byte, 100)
	if n, err := r.ReadAt(p, 150_000); n != len(p) || err != nil || string(p) != string(content[150_000:150_100]) {
		t.Errorf("ReadAt = %d, %v, or the bytes differ", n, err)
	}
}

func TestHTTPRefusesRedirects(t *testing.T) {
	private := serve(t, good(content(10)))
	for _, tt := range []struct{ name, to string }{
		{"to a loopback address", private},
		{"to another port of its own host", "http://127.0.0.1:1/"},
		{"to a private address", "http://10.0.0.1/"},
		{"to the address of a cloud's metadata", "http://169.254.169.254/latest"},
		{"to a private address as IPv6 writes it", "http://[::ffff:192.168.0.1]/"},
		{"to localhost", "http://localhost:1/"},
		{"to a file", "file:///etc/passwd"},
		{"to another scheme", "gopher://example.org/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				asked++
				redirect(tt.to)(w, r)
			})
			_, err := backend.OpenHTTP(t.Context(), url, quick)
			if !errors.Is(err, backend.ErrRedirect) || asked != 1 {
				t.Errorf("OpenHTTP: %v after %d requests, want ErrRedirect after 1", err, asked)
			}
		})
	}
	t.Run("from https to http", func(t *testing.T) {
		server := httptest.NewTLSServer(redirect("http://example.org/"))
		defer server.Close()
		_, err := backend.OpenHTTP(t.Context(), server.URL, &backend.HTTPOptions{Client: server.Client()})
		if !errors.Is(err, backend.ErrRedirect) {
			t.Errorf("OpenHTTP: %v, want ErrRedirect", err)
		}
	})
	t.Run("in a circle", func(t *testing.T) {
		_, err := backend.OpenHTTP(t.Context(), serve(t, redirect("/disk.qed")), &backend.HTTPOptions{Retries: -1})
		if err == nil || !strings.Contains(err.Error(), "redirects") {
			t.Errorf("OpenHTTP: %v", err)
		}
	})
}

func TestHTTPFollowsARedirectOfItsOwnHost(t *testing.T) {
	b := content(100_000)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Token") != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.URL.Path != "/there" {
			http.Redirect(w, r, "/there", http.StatusMovedPermanently)
			return
		}
		good(b)(w, r)
	})
	h, err := backend.OpenHTTP(t.Context(), url, &backend.HTTPOptions{Header: http.Header{"X-Token": {"secret"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if h.Version() != `"v1"` {
		t.Errorf("Version() = %q", h.Version())
	}
	if n, err := h.ReadAt(make([]byte, 10), 99_000); n != 10 || err != nil {
		t.Errorf("ReadAt = %d, %v", n, err)
	}
}

func TestHTTPHeadIsReadByTheFirstRequest(t *testing.T) {
	asked := 0
	b := content(100_000)
	h := openHTTP(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		good(b)(w, r)
	}))
	got := make([]byte, 64<<10)
	if n, err := h.ReadAt(got, 0); n != len(got) || err != nil || string(got) != string(b[:n]) || asked != 1 {
		t.Errorf("ReadAt = %d, %v after %d requests, or the bytes differ", n, err, asked)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if _, err := h.ReadAt(got, 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
