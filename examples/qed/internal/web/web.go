// Package web shows the files of an image to a browser.
//
// Neither the image nor the pages that the browser has open besides are
// trusted. Nothing of an image is ever interpreted: files are downloads, or
// plain text in a sandbox, and no type is guessed. A request must come under
// an address or a name that the server was given, so that no foreign name can
// be pointed at it (DNS rebinding). Pages run no scripts and load nothing but
// their style.
package web

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"sync"

	"github.com/qedfs/qedfs/adapters/diskfs/archive"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

// Site is an image to be shown.
type Site struct {
	Name    string // of the image, for titles
	Tree    *imagefs.Tree
	Volumes []imagefs.Volume

	// Host is the name that the server was told to listen on, if it is a
	// name. Requests for addresses and for localhost are answered anyway.
	Host string

	// Problem is told of what goes wrong after an answer has begun. It is
	// called from many goroutines.
	Problem func(path string, err error)
}

//go:embed static
var static embed.FS

// Handler returns what answers the requests of a browser.
func (s *Site) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.volumes)
	mux.HandleFunc("GET /files/{path...}", s.files)
	mux.HandleFunc("GET /tar/{path...}", s.tar)
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, static, "static/style.css")
	})
	return s.guard(mux)
}

// pagePolicy lets a page have its style and nothing else; filePolicy is for
// what comes out of the image.
const (
	pagePolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	filePolicy = "sandbox; default-src 'none'; frame-ancestors 'none'"
)

// guard refuses foreign names, and sets the headers that every answer has.
func (s *Site) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "private, no-cache")
		if !s.ownHost(r.Host) {
			http.Error(w, "this name is not one of this server", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownHost reports whether a Host header can be meant for this server. An
// address can: no name stands between it and the browser.
func (s *Site) ownHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return strings.EqualFold(host, "localhost") || s.Host != "" && strings.EqualFold(host, s.Host)
}

// requestPath is the path in the tree that a request names.
func requestPath(r *http.Request) string {
	if name := strings.Trim(r.PathValue("path"), "/"); name != "" {
		return name
	}
	return "."
}

// files shows a directory, or sends a file.
func (s *Site) files(w http.ResponseWriter, r *http.Request) {
	name := requestPath(r)
	if name == "." {
		http.Redirect(w, r, "/", http.StatusFound)
		return
	}
	info, err := s.Tree.Stat(name)
	if err != nil {
		s.fail(w, name, err)
		return
	}
	switch {
	case info.IsDir():
		s.directory(w, name)
	case info.Mode().IsRegular():
		s.file(w, r, name)
	default:
		s.fail(w, name, errors.New("a device, pipe or socket: there is nothing to send"))
	}
}

// file sends a file, in parts where the browser asks for them.
func (s *Site) file(w http.ResponseWriter, r *http.Request, name string) {
	f, err := s.Tree.Open(name)
	if err != nil {
		s.fail(w, name, err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		s.fail(w, name, err)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", filePolicy)
	if r.URL.Query().Has("view") {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	} else {
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", attachment(path.Base(name)))
	}
	http.ServeContent(w, r, "", info.ModTime(), f.(fstree.File))
}

// tar sends a directory as an archive.
func (s *Site) tar(w http.ResponseWriter, r *http.Request) {
	name := requestPath(r)
	if _, err := s.Tree.Stat(name); err != nil {
		s.fail(w, name, err)
		return
	}
	base := path.Base(name)
	if name == "." {
		base = s.Name
	}
	h := w.Header()
	h.Set("Content-Security-Policy", filePolicy)
	h.Set("Content-Type", "application/x-tar")
	h.Set("Content-Disposition", attachment(base+".tar"))
	if r.Method == http.MethodHead {
		return
	}
	err := archive.Write(r.Context(), w, s.Tree, name, &archive.Options{Problem: s.Problem})
	if err != nil && !errors.Is(err, context.Canceled) {
		s.Problem(name, err)
		panic(http.ErrAbortHandler) // a cut connection is how a browser learns of it
	}
}

func attachment(name string) string {
	return mime.FormatMediaType("attachment", map[string]string{"filename": name})
}

// fail answers with an error.
func (s *Site) fail(w http.ResponseWriter, name string, err error) {
	code := http.StatusInternalServerError
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		code = http.StatusNotFound
	case errors.Is(err, fstree.ErrUnsupported), errors.Is(err, fstree.ErrEncrypted):
		code = http.StatusNotImplemented
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	s.render(w, code, "error", &page{Site: s, Crumbs: crumbs(name), Problem: err.Error()})
}

// render writes a page.
func (s *Site) render(w http.ResponseWriter, code int, name string, p *page) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	if err := pages().ExecuteTemplate(w, name, p); err != nil {
		s.Problem(p.Path(), fmt.Errorf("page: %w", err))
	}
}

// pages are parsed when the first is asked for: most runs of the command show
// none.
var pages = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").ParseFS(static, "static/*.html"))
})

// link is the address of a path of the tree.
func link(prefix, name string) string {
	elems := strings.Split(name, "/")
	for i, elem := range elems {
		elems[i] = url.PathEscape(elem)
	}
	return prefix + strings.Join(elems, "/")
}
