package web

import (
	"errors"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/archive"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

// Tree is the files that are shown: those of a disk or of a part of it. What
// its files' Sys returns is a [*fstree.Stat].
type Tree interface {
	fstree.Walker
	fs.ReadDirFS
}

// Site is an image to be shown.
type Site struct {
	Name string // of the image, for titles
	Disk *imagefs.Disk
	Tree Tree // nil is that of the disk

	// Notes are what a user should know of the image; nil stands for those of
	// the disk.
	Notes func() []imagefs.Note

	// Host is the name that the server was told to listen on, if it is a
	// name. Requests for addresses and for localhost are answered anyway.
	Host string

	// Problem is told of what cannot be read, and of what goes wrong after an
	// answer has begun. It is called from many goroutines.
	Problem func(path string, err error)
}

// server answers the requests for a site.
type server struct {
	Site
	tree     Tree
	listings *listings
	archives chan struct{} // one for each that is being sent
	timeout  time.Duration // for a client to take a part of an answer
}

// Handler returns what answers the requests of a browser.
func (s *Site) Handler() http.Handler { return s.handler(writeTimeout) }

func (s *Site) handler(timeout time.Duration) http.Handler {
	v := &server{
		Site: *s, tree: s.Tree, listings: newListings(),
		archives: make(chan struct{}, maxArchives), timeout: timeout,
	}
	if v.tree == nil {
		v.tree = s.Disk.FS()
	}
	if v.Notes == nil {
		v.Notes = func() []imagefs.Note {
			notes, _ := s.Disk.Notes() // its error is that of the volumes
			return notes
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", v.volumes)
	mux.HandleFunc("GET /files/{path...}", v.files)
	mux.HandleFunc("GET /tar/{path...}", v.tar)
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, static, "static/style.css")
	})
	return v.guard(mux)
}

// problem tells whoever runs the server.
func (s *server) problem(path string, err error) {
	if s.Problem != nil {
		s.Problem(path, err)
	}
}

// pagePolicy lets a page have its style and nothing else; filePolicy is for
// what comes out of the image.
const (
	pagePolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	filePolicy = "sandbox; default-src 'none'; frame-ancestors 'none'"
)

// guard refuses foreign names, and sets the headers that every answer has.
func (s *server) guard(next http.Handler) http.Handler {
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
		next.ServeHTTP(newAnswer(w, s.timeout), r)
	})
}

// ownHost reports whether a Host header can be meant for this server. An
// address can: no name stands between it and the browser.
func (s *server) ownHost(hostport string) bool {
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
func (s *server) files(w http.ResponseWriter, r *http.Request) {
	name := requestPath(r)
	if name == "." {
		http.Redirect(w, r, "/", http.StatusFound)
		return
	}
	info, err := s.tree.Stat(name)
	if err != nil {
		s.fail(w, name, err)
		return
	}
	switch {
	case info.IsDir():
		s.directory(w, r, name)
	case info.Mode().IsRegular():
		s.file(w, r, name)
	default:
		s.fail(w, name, errors.New("a device, pipe or socket: there is nothing to send"))
	}
}

// file sends a file, in parts where the browser asks for them.
func (s *server) file(w http.ResponseWriter, r *http.Request, name string) {
	f, err := s.tree.Open(name)
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

// leftOut is the member at the end of an archive that lists what is not in it.
const leftOut = "LEFT-OUT.txt"

// tar sends a directory as an archive.
func (s *server) tar(w http.ResponseWriter, r *http.Request) {
	name := requestPath(r)
	if _, err := s.tree.Stat(name); err != nil {
		s.fail(w, name, err)
		return
	}
	base := path.Base(name)
	if name == "." {
		base = s.Name
	}
	select {
	case s.archives <- struct{}{}:
		defer func() { <-s.archives }()
	default:
		w.Header().Set("Retry-After", "30")
		http.Error(w, "another archive is being sent; try again in a while", http.StatusServiceUnavailable)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", filePolicy)
	h.Set("Content-Type", "application/x-tar")
	h.Set("Content-Disposition", attachment(base+".tar"))
	if r.Method == http.MethodHead {
		return
	}
	err := archive.Write(r.Context(), w, s.tree, name, &archive.Options{Problem: s.problem, LeftOut: leftOut})
	if err != nil {
		if a, ok := w.(*answer); r.Context().Err() == nil && (!ok || a.err == nil) { // else the client is gone
			s.problem(name, err)
		}
		panic(http.ErrAbortHandler) // a cut connection is how a browser learns of it
	}
}

func attachment(name string) string {
	return mime.FormatMediaType("attachment", map[string]string{"filename": show.FileName(name)})
}

// fail answers with an error.
func (s *server) fail(w http.ResponseWriter, name string, err error) {
	code := http.StatusInternalServerError
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		code = http.StatusNotFound
	case errors.Is(err, errors.ErrUnsupported):
		code = http.StatusNotImplemented
	}
	p := s.page(name)
	p.Problems = []string{reason(err)}
	s.render(w, code, "error", p)
}

// link is the address of a path of the tree.
func link(prefix, name string) string {
	elems := strings.Split(name, "/")
	for i, elem := range elems {
		elems[i] = url.PathEscape(elem)
	}
	return prefix + strings.Join(elems, "/")
}
