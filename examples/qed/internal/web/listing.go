package web

import (
	"fmt"
	"io/fs"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/examples/qed/internal/unixmode"
)

const (
	// pageRows is how many entries of a directory are on one page.
	pageRows = 1000

	// maxView is the largest file that a page offers to show as text, in bytes.
	maxView = 8 << 20
)

// listing is what is in a directory: directories first, each part in order.
type listing struct {
	name  string
	names []string
	dirs  int // how many of the names are of directories
	err   error
}

func newListing(tree Tree, name string) *listing {
	list, err := tree.ReadDir(name)
	l := &listing{name: name, names: make([]string, 0, len(list)), err: err}
	for _, wantDir := range []bool{true, false} {
		for _, d := range list {
			if d.IsDir() == wantDir {
				l.names = append(l.names, d.Name())
			}
		}
		if wantDir {
			l.dirs = len(l.names)
		}
	}
	return l
}

// pages is how many pages the directory takes, at least one.
func (l *listing) pages() int { return max((len(l.names)+pageRows-1)/pageRows, 1) }

// Count says what is in the directory.
func (l *listing) Count() string {
	return english.Plural(l.dirs, "directory", "") + ", " + english.Plural(len(l.names)-l.dirs, "file", "")
}

// turns are the ways from one page of a directory to others.
type turns struct {
	Here, All   int    // numbers of this page and the last
	First, Last string // numbers of the entries
	Total       string
	Prev, Next  string // addresses, empty where there is none
	Begin, End  string
}

// newTurns returns nil where one page holds everything.
func newTurns(l *listing, number int) *turns {
	if l.pages() == 1 {
		return nil
	}
	address := func(n int) string { return link("/files/", l.name) + "/?page=" + strconv.Itoa(n) }
	t := &turns{
		Here: number, All: l.pages(),
		First: humanize.Comma(int64((number-1)*pageRows + 1)),
		Last:  humanize.Comma(int64(min(number*pageRows, len(l.names)))),
		Total: humanize.Comma(int64(len(l.names))),
	}
	if number > 1 {
		t.Begin, t.Prev = address(1), address(number-1)
	}
	if number < t.All {
		t.Next, t.End = address(number+1), address(t.All)
	}
	return t
}

// pageNumber is the page of a directory that a request asks for.
func pageNumber(r *http.Request, l *listing) (n int, ok bool) {
	if !r.URL.Query().Has("page") {
		return 1, true
	}
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	return n, err == nil && 1 <= n && n <= l.pages()
}

// directory shows a part of a directory, and what is wrong with it.
func (s *server) directory(w http.ResponseWriter, r *http.Request, name string) {
	l, err := s.listings.get(r.Context(), s.tree, name)
	if err != nil {
		return // the client is gone
	}
	number, ok := pageNumber(r, l)
	if !ok {
		s.fail(w, name, fmt.Errorf("no such page; there are %d: %w", l.pages(), fs.ErrNotExist))
		return
	}
	p := s.page(name)
	if l.err != nil {
		p.Problems = append(p.Problems, reason(l.err))
		s.problem(name, l.err)
	}
	names := slices.Clone(l.names[(number-1)*pageRows : min(number*pageRows, len(l.names))])
	p.Count, p.Turns, p.Rows = l.Count(), newTurns(l, number), s.rows(name, names)
	s.render(w, http.StatusOK, "directory", p)
}

// row is a file in a directory.
type row struct {
	Name, URL, View  string
	Kind             string // dir, link, file or other
	Target           string
	Why              string // what is wrong with it
	Size, Bytes      string
	Mode, Owner      string
	Time, TimeMoment string
}

// rows describes the entries of a directory, each when its turn comes to be
// sent.
func (s *server) rows(dir string, names []string) iter.Seq[row] {
	return func(yield func(row) bool) {
		for _, name := range names {
			if !yield(s.row(dir+"/"+name, name)) {
				return
			}
		}
	}
}

func (s *server) row(path, name string) row {
	r := row{Name: name, URL: link("/files/", path), Kind: "other"}
	info, err := fs.Lstat(s.tree, path)
	if err != nil {
		r.Why = s.wrong(path, err)
		return r
	}
	st := info.Sys().(*fstree.Stat)
	r.Mode, r.Owner = unixmode.String(info.Mode()), fmt.Sprintf("%d:%d", st.UID, st.GID)
	if !st.Mtime.IsZero() {
		r.Time, r.TimeMoment = st.Mtime.Local().Format("2006-01-02 15:04"), st.Mtime.UTC().Format(time.RFC3339)
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		r.Kind = "dir"
		r.URL += "/"
	case fs.ModeSymlink:
		r.Kind = "link"
		if r.Target, err = s.tree.ReadLink(path); err != nil {
			r.Why = s.wrong(path, err)
		}
	case 0:
		r.Kind = "file"
		r.Size = humanize.IBytes(uint64(max(st.Size, 0)))
		r.Bytes = strconv.FormatInt(st.Size, 10)
		if st.Size <= maxView {
			r.View = r.URL + "?view"
		}
	}
	return r
}

// wrong is an error for a page; it is told to whoever runs the server, too.
func (s *server) wrong(path string, err error) string {
	s.problem(path, err)
	return reason(err)
}
