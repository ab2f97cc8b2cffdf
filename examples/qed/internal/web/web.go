package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/guest"
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

	// Systems finds the systems on the disk, once; nil looks for all.
	Systems func() ([]*guest.System, error)

	// Map writes a picture of where the disk's bytes lie, as SVG. What is not in
	// the picture is an error. Without it there is no such page.
	Map func(ctx context.Context, w io.Writer) error

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
	turn     chan struct{} // holds one while a tree is gone through for an answer
	archives chan struct{} // one for each that is being sent
	left     lacking
	timeout  time.Duration // for a client to take a part of an answer

	space   *spaceBody // that was asked for last; turn guards it, and the map
	svg     []byte
	drawErr error
	drawn   bool

	mu      sync.Mutex
	inspect map[string]*inspected
}

// Handler returns what answers the requests of a browser.
func (s *Site) Handler() http.Handler { return s.handler(writeTimeout) }

func (s *Site) handler(timeout time.Duration) http.Handler {
	v := &server{
		Site: *s, tree: s.Tree, listings: newListings(), turn: make(chan struct{}, 1),
		archives: make(chan struct{}, maxArchives), timeout: timeout, inspect: make(map[string]*inspected),
	}
	if v.tree == nil {
		v.tree = s.Disk.FS()
	}
	if v.Systems == nil {
		v.Systems = func() ([]*guest.System, error) {
			if s.Disk == nil {
				return nil, nil
			}
			return guest.Find(s.Disk)
		}
	}
	v.Systems = sync.OnceValues(v.Systems)
	if v.Notes == nil {
		v.Notes = func() []imagefs.Note {
			notes, _ := s.Disk.Notes() // its error is that of the volumes
			return notes
		}
	}
	return v.guard(v.routes())
}

// routes are the addresses of the site.
func (s *server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for verb, answer := range map[string]func(http.ResponseWriter, *http.Request, place){
		"GET files": s.files, "GET raw": s.raw, "GET details": s.details, "GET search": s.search, "GET space": s.takes,
		"GET tar": s.tar, "GET zip": s.zip, "OPTIONS files": options, "PROPFIND files": s.propfind,
	} {
		method, name, _ := strings.Cut(verb, " ")
		mux.HandleFunc(method+" /"+name+"/{path...}", s.at(answer))
		mux.HandleFunc(method+" /os/{system}/"+name+"/{path...}", s.at(answer))
	}
	for _, above := range []string{"/{$}", "/os/{$}", "/os/{system}/{$}"} {
		mux.HandleFunc("PROPFIND "+above, s.collections)
		mux.HandleFunc("OPTIONS "+above, s.at(options))
	}
	mux.HandleFunc("GET /{$}", s.start)
	mux.HandleFunc("GET /os/{system}/{$}", s.about)
	mux.HandleFunc("GET /os/{system}/packages", s.packages)
	if s.Map != nil {
		mux.HandleFunc("GET /map", s.mapPage)
		mux.HandleFunc("GET /map.svg", s.mapPicture)
	}
	for _, name := range []string{"style.css", "keys.js", "icon.svg"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, static, "static/"+name)
		})
	}
	return mux
}

// problem tells whoever runs the server.
func (s *server) problem(path string, err error) {
	if s.Problem != nil {
		s.Problem(path, err)
	}
}

// The policies are for pages, which have their style and script, pictures of
// the image and PDFs in a frame; for what comes out of the image; and for PDFs,
// which a browser's viewer does not show in a sandbox.
const (
	pagePolicy = "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; script-src "
	filePolicy = "sandbox; default-src 'none'; frame-ancestors 'none'"
	pdfPolicy  = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; script-src 'none'; form-action 'none'; frame-ancestors 'self'"
)

// guard refuses foreign names, and sets the headers that every answer has.
func (s *server) guard(next http.Handler) http.Handler {
	policy := pagePolicy + "'" + keysHash() + "'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
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
		a := newAnswer(w, s.timeout)
		a.plain = !strings.Contains(r.Header.Get("Accept"), "text/html")
		next.ServeHTTP(a, r)
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

// files shows a directory, or sends a file.
func (s *server) files(w http.ResponseWriter, r *http.Request, p place) {
	if p.path == "." && p.base == "" {
		http.Redirect(w, r, "/", http.StatusFound)
		return
	}
	info, err := p.tree.Stat(p.path)
	if err != nil {
		if lost := s.lost(p); lost != nil && errors.Is(err, fs.ErrNotExist) {
			err = lost
		}
		s.fail(w, p, err)
		return
	}
	switch {
	case info.IsDir():
		if a, ok := w.(*answer); ok && a.plain && s.loops(p, info) {
			s.fail(w, p, errLoop)
			return
		}
		s.directory(w, r, p)
	case info.Mode().IsRegular():
		s.file(w, r, p)
	default:
		s.fail(w, p, errNothing)
	}
}

var errNothing = fmt.Errorf("a device, pipe or socket: there is nothing to send: %w", errors.ErrUnsupported)

// wait waits until nobody else has a tree gone through. done is nil where the
// client goes first.
func (s *server) wait(ctx context.Context) (done func()) {
	select {
	case s.turn <- struct{}{}:
		return func() { <-s.turn }
	case <-ctx.Done():
		return nil
	}
}

// statusOf is the status that an error has.
func statusOf(err error) int {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		return http.StatusNotFound
	case errors.Is(err, errors.ErrUnsupported):
		return http.StatusNotImplemented
	case errors.Is(err, errLoop):
		return http.StatusLoopDetected
	}
	return http.StatusInternalServerError
}

// fail answers with an error: as a page, or as a line for other programs. What
// cannot be read is told to whoever runs the server, too.
func (s *server) fail(w http.ResponseWriter, p place, err error) {
	if statusOf(err) == http.StatusInternalServerError {
		s.problem(p.name(), err)
	}
	if a, ok := w.(*answer); ok && a.plain {
		http.Error(w, show.Text(reason(err)), statusOf(err))
		return
	}
	v := s.page(p)
	v.Problems = []string{reason(err)}
	s.render(w, statusOf(err), "error", v)
}
