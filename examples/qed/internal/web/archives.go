package web

import (
	"context"
	"io"
	"net/http"
	"sync"

	"github.com/dustin/go-humanize/english"

	"github.com/qedfs/qedfs/adapters/diskfs/archive"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// leftOut is the member at the end of an archive that lists what is not in it.
const leftOut = "LEFT-OUT.txt"

// tar sends a directory as a tar archive.
func (s *server) tar(w http.ResponseWriter, r *http.Request, p place) {
	s.archive(w, r, p, "tar", "application/x-tar", archive.Write)
}

// zip sends a directory as a zip archive.
func (s *server) zip(w http.ResponseWriter, r *http.Request, p place) {
	s.archive(w, r, p, "zip", "application/zip", archive.WriteZip)
}

// writeArchive is what package archive has for each format.
type writeArchive func(ctx context.Context, w io.Writer, tree fstree.Walker, root string, opts *archive.Options) error

func (s *server) archive(w http.ResponseWriter, r *http.Request, p place, extension, kind string, write writeArchive) {
	if _, err := p.tree.Stat(p.path); err != nil {
		s.fail(w, p, err)
		return
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
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", attachment(s.fileName(p)+"."+extension))
	if r.Method == http.MethodHead {
		return
	}
	lacks := &lack{}
	err := write(r.Context(), w, p.tree, p.path, &archive.Options{LeftOut: leftOut, Problem: func(path string, err error) {
		lacks.add(path, err)
		p := p
		p.path = path
		s.problem(p.name(), err)
	}})
	s.left.set(p.key(), lacks)
	if err != nil {
		if a, ok := w.(*answer); r.Context().Err() == nil && (!ok || a.err == nil) { // else the client is gone
			s.problem(p.name(), err)
		}
		panic(http.ErrAbortHandler) // a cut connection is how a browser learns of it
	}
}

const (
	maxLacking = 16 // directories whose archives are remembered
	maxLack    = 20 // lines of each
)

// lacking is what the last archives lack, for the pages of their directories.
type lacking struct {
	mu   sync.Mutex
	list map[string]*lack
}

// lack is what one archive lacks.
type lack struct {
	Lines []lackLine
	Files int
}

type lackLine struct{ Path, Why string }

func (l *lack) add(path string, err error) {
	if l.Files++; len(l.Lines) < maxLack {
		l.Lines = append(l.Lines, lackLine{path, reason(err)})
	}
}

// Count says how much is left out.
func (l *lack) Count() string { return english.Plural(l.Files, "file", "") }

// More is how many files are not among the lines.
func (l *lack) More() int { return l.Files - len(l.Lines) }

func (l *lacking) set(key string, of *lack) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if of.Files == 0 {
		delete(l.list, key)
		return
	}
	if l.list == nil || len(l.list) >= maxLacking {
		l.list = make(map[string]*lack)
	}
	l.list[key] = of
}

// of returns what the last archive of a place lacked, or nil.
func (l *lacking) of(p place) *lack {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list[p.key()]
}
