package web

import (
	"fmt"
	"io/fs"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/examples/qed/internal/unixmode"
)

// pageRows is how many rows are on one page.
const pageRows = 250

// directoryPage is the page of a directory.
type directoryPage struct {
	Columns []columnHead
	Rows    iter.Seq[row]
	Count   string
	Filter  string
	Hidden  []field // of the form of the filter
	Turns   *turns
	Search  string // address
	Lacks   *lack  // what the last archive of it lacked
}

type field struct{ Name, Value string }

// columnHead is the head of a column, which sorts by it.
type columnHead struct {
	Label, Class, URL string
	Sorted            string // "ascending" or "descending", as ARIA has it
}

// directory shows a part of a directory, and what is wrong with it.
func (s *server) directory(w http.ResponseWriter, r *http.Request, p place) {
	query := r.URL.Query()
	by := sorting{column(query.Get("sort")), query.Get("order") == "desc"}
	switch by.By {
	case byName, bySize, byTime, byOwner, byMode:
	default:
		s.fail(w, p, fmt.Errorf("no such column: %w", fs.ErrInvalid))
		return
	}
	filter, err := pattern(query.Get("filter"))
	if err != nil {
		s.fail(w, p, fmt.Errorf("%w: %w", err, fs.ErrInvalid))
		return
	}
	l, err := s.listings.get(r.Context(), p, by)
	if err != nil {
		return // the client is gone
	}
	number := pageNumber(r)
	names, total := l.entries(by, filter, max(number-1, 0)*pageRows, pageRows)
	if pages := pagesOf(total); number < 1 || number > pages {
		s.fail(w, p, fmt.Errorf("no such page; there are %d: %w", pages, fs.ErrNotExist))
		return
	}
	v := s.page(p)
	v.Actions = actions(p, "files", true)
	if l.err != nil {
		v.Problems = append(v.Problems, reasons(l.err)...)
		s.problem(p.name(), l.err)
	}
	d := &directoryPage{
		Columns: columnHeads(p, by, query), Rows: s.rows(p, names), Count: l.Count(), Filter: query.Get("filter"),
		Turns: newTurns(p.link("files"), query, number, total), Search: p.link("search"), Lacks: s.left.of(p),
	}
	if filter != nil {
		d.Count = humanize.Comma(int64(total)) + " of " + d.Count
	}
	for _, name := range []string{"sort", "order"} {
		if value := query.Get(name); value != "" {
			d.Hidden = append(d.Hidden, field{name, value})
		}
	}
	v.Body = d
	s.render(w, http.StatusOK, "directory", v)
}

func columnHeads(p place, by sorting, query url.Values) []columnHead {
	heads := []struct {
		by           column
		label, class string
	}{{byName, "Name", ""}, {bySize, "Size", "number"}, {byMode, "Mode", "optional"}, {byOwner, "Owner", "optional"}, {byTime, "Changed", "time"}}
	var list []columnHead
	for _, h := range heads {
		q := url.Values{}
		if filter := query.Get("filter"); filter != "" {
			q.Set("filter", filter)
		}
		if h.by != byName {
			q.Set("sort", string(h.by))
		}
		head := columnHead{Label: h.label, Class: h.class}
		if h.by == by.By {
			head.Sorted = "ascending"
			if by.Desc {
				head.Sorted = "descending"
			} else {
				q.Set("order", "desc")
			}
		} else if h.by == bySize || h.by == byTime {
			q.Set("order", "desc") // the largest and the newest are what one looks for
		}
		head.URL = address(p.link("files"), q)
		list = append(list, head)
	}
	return list
}

// address is that of a directory's page with a query.
func address(dir string, q url.Values) string {
	if dir[len(dir)-1] != '/' {
		dir += "/"
	}
	if len(q) == 0 {
		return dir
	}
	return dir + "?" + q.Encode()
}

// turns are the ways from one page of many rows to others.
type turns struct {
	Here, All   int    // numbers of this page and the last
	First, Last string // numbers of the rows
	Total       string
	Prev, Next  string // addresses, empty where there is none
	Begin, End  string
}

func pagesOf(rows int) int { return max((rows+pageRows-1)/pageRows, 1) }

// newTurns returns nil where one page holds everything.
func newTurns(at string, query url.Values, number, rows int) *turns {
	all := pagesOf(rows)
	if all == 1 {
		return nil
	}
	to := func(n int) string {
		q := url.Values{"page": {strconv.Itoa(n)}}
		for _, name := range []string{"filter", "sort", "order"} {
			if value := query.Get(name); value != "" {
				q.Set(name, value)
			}
		}
		return address(at, q)
	}
	t := &turns{
		Here: number, All: all,
		First: humanize.Comma(int64((number-1)*pageRows + 1)),
		Last:  humanize.Comma(int64(min(number*pageRows, rows))),
		Total: humanize.Comma(int64(rows)),
	}
	if number > 1 {
		t.Begin, t.Prev = to(1), to(number-1)
	}
	if number < all {
		t.Next, t.End = to(number+1), to(all)
	}
	return t
}

// pageNumber is the page that a request asks for, 0 for none that there could
// be.
func pageNumber(r *http.Request) int {
	if !r.URL.Query().Has("page") {
		return 1
	}
	n, err := strconv.ParseInt(r.URL.Query().Get("page"), 10, 32)
	if err != nil || n > 1<<20 {
		return 0
	}
	return int(n)
}

// row is a file in a directory.
type row struct {
	Name, URL        string
	Download         string // address, "" where there is nothing to send
	Kind             string // dir, link, file or other
	Target           string
	Why              string // what is wrong with it
	Size, Bytes      string
	Mode, Owner      string
	Time, TimeMoment string
}

// rows describes the entries of a directory, each when its turn comes to be
// sent.
func (s *server) rows(dir place, names []string) iter.Seq[row] {
	return func(yield func(row) bool) {
		for _, name := range names {
			if !yield(s.row(dir.in(name), name)) {
				return
			}
		}
	}
}

// row describes a file, under a name that may be a path.
func (s *server) row(p place, name string) row {
	r := row{Name: name, URL: p.link("details"), Kind: "other"}
	info, err := p.tree.Lstat(p.path)
	if err != nil {
		r.Why = s.wrong(p, err)
		return r
	}
	st := info.Sys().(*fstree.Stat)
	r.Mode, r.Owner = unixmode.String(info.Mode()), fmt.Sprintf("%d:%d", st.UID, st.GID)
	if !st.Mtime.IsZero() {
		r.Time, r.TimeMoment = st.Mtime.Local().Format("2006-01-02 15:04"), st.Mtime.UTC().Format(time.RFC3339)
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		r.Kind, r.URL = "dir", p.link("files")+"/"
	case fs.ModeSymlink:
		r.Kind = "link"
		if r.Target, err = p.tree.ReadLink(p.path); err != nil {
			r.Why = s.wrong(p, err)
		}
	case 0:
		r.Kind, r.Download = "file", p.link("files")
		r.Size = humanize.IBytes(uint64(max(st.Size, 0)))
		r.Bytes = strconv.FormatInt(st.Size, 10)
	}
	return r
}

// wrong is an error for a page; it is told to whoever runs the server, too.
func (s *server) wrong(p place, err error) string {
	s.problem(p.name(), err)
	return reason(err)
}
