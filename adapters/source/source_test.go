package source_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/qedfs/qedfs/adapters/source"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/qedfile"
)

// server serves the files of a directory and counts requests.
type server struct {
	*httptest.Server
	asked  atomic.Int64
	check  func(*http.Request) bool // nil lets everybody in
	before func(http.ResponseWriter)
}

func serve(t *testing.T, dir string) *server {
	t.Helper()
	s := &server{}
	files := http.FileServer(http.Dir(dir))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		if s.check != nil && !s.check(r) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if s.before != nil {
			s.before(w)
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func newOpener(t *testing.T, opts *source.Options) *source.Opener {
	t.Helper()
	o, err := source.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

func writeFile(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	return b
}

func TestOpenedNamesAreReaders(t *testing.T) {
	for name, opts := range map[string]*source.Options{
		"by default":          nil,
		"kept in a directory": {CacheDir: t.TempDir(), CacheBytes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			backendtest.TestReader(t, func(t *testing.T, b []byte) backend.Reader {
				dir := t.TempDir()
				writeFile(t, filepath.Join(dir, "x"), b)
				r, err := newOpener(t, opts).Open(t.Context(), serve(t, dir).URL+"/x", nil)
				if err != nil {
					t.Fatal(err)
				}
				return r
			})
		})
	}
}

func TestLocal(t *testing.T) {
	for name, want := range map[string]bool{
		"disk.qed": true, "/a/b.qed": true, "C:/x": true, "a:b": true, "./x://y": true, "1http://x": true, "": true, "://": true,
		"http://x/y": false, "HTTPS://x/y": false, "s3://bucket/key": false, "a+b-c.d://": false,
	} {
		if got := source.Local(name); got != want {
			t.Errorf("Local(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestRedacted(t *testing.T) {
	for name, want := range map[string]string{
		"http://u:hunter2@h/x": "http://u:xxxxx@h/x", "http://u:hunter2@h/%zz": "http://h/%zz", "http://h/x": "http://h/x", "/a/b": "/a/b",
	} {
		if got := source.Redacted(name); got != want {
			t.Errorf("Redacted(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestUnknownSchemesAreRefused(t *testing.T) {
	_, err := newOpener(t, nil).Open(t.Context(), "gopher://host/disk.qed", nil)
	if _, bad := newOpener(t, nil).Open(t.Context(), "http://u:hunter2@h/%zz", nil); bad == nil || strings.Contains(bad.Error(), "hunter2") {
		t.Errorf("Open: %v", bad)
	}
	if !errors.Is(err, source.ErrScheme) || !strings.Contains(err.Error(), "gopher") {
		t.Errorf("Open: %v, want ErrScheme", err)
	}
}

// The committed chain.qed lies over chain-middle.qed, and that over
// chain-base.raw.
func TestFilesBesideAnImageOnAServer(t *testing.T) {
	dir := t.TempDir()
	odd := filepath.Join(dir, "a b", "c#d?")
	if err := os.MkdirAll(odd, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"chain.qed", "chain-middle.qed", "chain-base.raw"} {
		b, err := os.ReadFile("../../testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(odd, name), b)
		if name == "chain.qed" {
			// Names of the same length in the place of the backing file's.
			for file, backing := range map[string]string{
				"out.qed": "./../chain-m.qed", "abs.qed": "/hain-middle.qed", "url.qed": "http:chain-m.qed", "self.qed": "././././self.qed",
			} {
				writeFile(t, filepath.Join(odd, file), bytes.Replace(b, []byte("chain-middle.qed"), []byte(backing), 1))
			}
		}
	}
	s := serve(t, dir)
	s.check = func(r *http.Request) bool { return r.URL.Query().Get("token") == "1" }
	o := newOpener(t, nil)
	open := func(name string) (*qedfile.Image, error) {
		src, err := o.Open(t.Context(), s.URL+"/a%20b/c%23d%3F/"+name+"?token=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		m, err := qedfile.New(src, &qedfile.Options{Backing: src.Files().Backing})
		if err != nil {
			src.Close()
		}
		return m, err
	}
	m, err := open("chain.qed")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	local, err := qedfile.Open("../../testdata/chain.qed", &qedfile.Options{Backing: qedfile.SiblingBacking("../../testdata/chain.qed")})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	got, want := make([]byte, m.Size()), make([]byte, local.Size())
	_, err1 := m.ReadAt(got, 0)
	_, err2 := local.ReadAt(want, 0)
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(got, want) {
		t.Errorf("ReadAt: %v, or the bytes differ", err)
	}
	for name, want := range map[string]error{
		"out.qed": qedfile.ErrBackingDenied, "abs.qed": qedfile.ErrBackingDenied, "url.qed": qedfile.ErrBackingDenied,
		"self.qed": qedfile.ErrBackingLoop,
	} {
		if _, err := open(name); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

func TestLoginsOfNetrc(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "x"), pattern(100))
	netrc := filepath.Join(t.TempDir(), "netrc")
	writeFile(t, netrc, []byte("machine example.org login a password b\nmachine 127.0.0.1 login me password \"s p\"\n"))
	s := serve(t, dir)
	var user, password string
	s.check = func(r *http.Request) bool {
		user, password, _ = r.BasicAuth()
		return true
	}
	for _, tt := range []struct {
		name, userinfo, header, wantUser, wantPassword string
	}{
		{"alone", "", "", "me", "s p"},
		{"with its user in the URL", "me@", "", "me", "s p"},
		{"with another user in the URL", "you@", "", "you", ""},
		{"with a password in the URL", "me:x@", "", "me", "x"},
		{"with a header of the caller's", "", "Basic dTpw", "u", "p"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := &source.Options{Netrc: netrc, HTTP: &backend.HTTPOptions{Header: http.Header{}}}
			if tt.header != "" {
				opts.HTTP.Header["authorization"] = []string{tt.header}
			}
			src, err := newOpener(t, opts).Open(t.Context(), strings.Replace(s.URL, "http://", "http://"+tt.userinfo, 1)+"/x", nil)
			if err != nil {
				t.Fatal(err)
			}
			src.Close()
			if user != tt.wantUser || password != tt.wantPassword {
				t.Errorf("logged in as %q with %q, want %q with %q", user, password, tt.wantUser, tt.wantPassword)
			}
		})
	}
	if _, err := source.New(&source.Options{Netrc: filepath.Join(dir, "none")}); err != nil {
		t.Errorf("without a netrc file: %v", err)
	}
}

func TestSchemesOfTheCaller(t *testing.T) {
	var asked []string
	o := newOpener(t, &source.Options{Schemes: map[string]source.SchemeFunc{
		"s3": func(_ context.Context, u *url.URL) (backend.Reader, error) {
			asked = append(asked, u.String())
			return backend.NewMemory(pattern(100)), nil
		},
	}})
	src, err := o.Open(t.Context(), "S3://bucket/dir/x.qed?region=a", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	beside, err := src.Files().Open("y.qed", false)
	if err != nil {
		t.Fatal(err)
	}
	beside.Close()
	if want := []string{"s3://bucket/dir/x.qed?region=a", "s3://bucket/dir/y.qed?region=a"}; strings.Join(asked, " ") != strings.Join(want, " ") {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}

func TestMissingFiles(t *testing.T) {
	s := serve(t, t.TempDir())
	for _, name := range []string{s.URL + "/none.qed", filepath.Join(t.TempDir(), "none.qed")} {
		if _, err := newOpener(t, nil).Open(t.Context(), name, nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want fs.ErrNotExist", name, err)
		}
	}
}

func readAll(t *testing.T, r backend.Reader) []byte {
	t.Helper()
	size, err := r.Size()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(r, 0, size))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
