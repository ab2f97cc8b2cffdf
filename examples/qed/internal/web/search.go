package web

import (
	"fmt"
	"io/fs"
	"iter"
	"net/http"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/find"
)

// maxFound is how many files a search shows.
const maxFound = pageRows

// searchPage is what a search finds, while it goes on.
type searchPage struct {
	Text  string
	At    string // address of the form
	Files string // of the directory
	Rows  iter.Seq[row]
	State *searchState
}

// searchState is filled in as the rows are sent.
type searchState struct {
	Found int
	Full  bool // there may be more
}

// search finds files below a directory by their names.
func (s *server) search(w http.ResponseWriter, r *http.Request, p place) {
	text := r.URL.Query().Get("name")
	of, err := pattern(text)
	if err != nil {
		s.fail(w, p, fmt.Errorf("%w: %w", err, fs.ErrInvalid))
		return
	}
	if _, err := p.tree.Stat(p.path); err != nil {
		s.fail(w, p, err)
		return
	}
	v := s.page(p)
	v.Title = "Search in " + v.Title
	b := &searchPage{Text: text, At: p.link("search"), Files: p.link("files"), State: new(searchState), Rows: func(func(row) bool) {}}
	v.Body = b
	if of != nil {
		done := s.wait(r.Context())
		if done == nil {
			return // the client is gone
		}
		defer done()
		b.Rows = s.found(r, p, of, b.State)
	}
	s.render(w, http.StatusOK, "search", v)
}

// found yields what a search finds, and what cannot be looked through.
func (s *server) found(r *http.Request, p place, of *find.Pattern, state *searchState) iter.Seq[row] {
	return func(yield func(row) bool) {
		opts := &find.Options{Test: find.And(find.MinDepth(1), find.Name(of))}
		for m, err := range find.Files(r.Context(), p.tree, p.path, opts) {
			if r.Context().Err() != nil {
				return
			}
			if state.Found == maxFound {
				state.Full = true
				return
			}
			at := p
			at.path = m.Path
			shown := strings.TrimPrefix(strings.TrimPrefix(m.Path, p.path), "/")
			if p.path == "." {
				shown = m.Path
			}
			one := row{Name: shown, URL: at.link("files"), Kind: "other"}
			if err != nil {
				one.Why = s.wrong(at, err)
			} else {
				one = s.row(at, shown)
			}
			state.Found++
			if !yield(one) {
				return
			}
		}
	}
}
