package web

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	maxShares   = 100     // parts of a directory that are shown by themselves, and of each of these
	maxSeen     = 1 << 18 // files with several names that are remembered
	maxProblems = 100     // lines
)

// spaceBody is what takes the space below a directory.
type spaceBody struct {
	key      string
	Total    string
	Files    string
	Shares   []*share // the largest first
	Tiles    []tile
	Rest     string // what the parts that are not shown take together, "" for none
	Problems []string
	Hidden   int // problems without a line

	bytes, files int64
	seen         map[fstree.FileID]struct{}
}

// share is a part of a directory: a file, or a directory with all below it.
type share struct {
	Name, URL string
	Dir       bool
	Bytes     int64
	Files     int64
	Size      string
	Percent   string

	parts []*share // of a directory, the largest
}

// takes shows what takes the space below a directory.
func (s *server) takes(w http.ResponseWriter, r *http.Request, p place) {
	if _, err := p.tree.Stat(p.path); err != nil {
		s.fail(w, p, err)
		return
	}
	done := s.wait(r.Context())
	if done == nil {
		return // the client is gone
	}
	defer done()
	if s.space == nil || s.space.key != p.key() {
		s.space = nil
		b := &spaceBody{key: p.key(), seen: make(map[fstree.FileID]struct{})}
		if !b.count(r.Context(), p, func(at place, err error) string { return s.wrong(at, err) }) {
			return // the client is gone
		}
		s.space = b
	}
	v := s.page(p)
	v.Title = "What takes the space in " + v.Title
	v.Actions = actions(p, "space", true)
	v.Problems = s.space.Problems
	if s.space.Hidden > 0 {
		v.Problems = append(slices.Clone(v.Problems), fmt.Sprintf("and %d more", s.space.Hidden))
	}
	v.Body = s.space
	s.render(w, http.StatusOK, "space", v)
}

// count goes through the tree. It reports whether it came to the end.
func (b *spaceBody) count(ctx context.Context, p place, wrong func(place, error) string) bool {
	var child *share // that the walk is in
	for e, err := range p.tree.Walk(ctx, p.path, &fstree.WalkOptions{Stat: true}) {
		if ctx.Err() != nil {
			return false
		}
		at := p
		at.path = e.Path
		var st *fstree.Stat
		if err == nil {
			st, err = e.Stat()
		}
		if err != nil {
			if len(b.Problems) < maxProblems {
				b.Problems = append(b.Problems, at.name()+": "+wrong(at, err))
			} else {
				b.Hidden++
			}
			continue
		}
		bytes := b.allocated(e, st)
		b.bytes = add(b.bytes, bytes)
		if e.Path == p.path {
			continue
		}
		b.files++
		rel := strings.TrimPrefix(strings.TrimPrefix(e.Path, p.path), "/")
		if p.path == "." {
			rel = e.Path
		}
		name, below, _ := strings.Cut(rel, "/")
		if child == nil || child.Name != name {
			b.Shares = b.keep(b.Shares, child)
			child = newShare(p.in(name), name, st.Mode.IsDir() || below != "")
		}
		child.Files++
		child.Bytes = add(child.Bytes, bytes)
		if below != "" {
			child.part(p.in(name), below, bytes, st.Mode.IsDir())
		}
	}
	if ctx.Err() != nil {
		return false
	}
	b.Shares = b.keep(b.Shares, child)
	b.finish()
	return true
}

// allocated is what a file takes, with the first of its names.
func (b *spaceBody) allocated(e *fstree.WalkEntry, st *fstree.Stat) int64 {
	if st.Nlink > 1 && !st.Mode.IsDir() {
		id := e.FileID()
		if _, ok := b.seen[id]; ok {
			return 0
		}
		if len(b.seen) < maxSeen {
			b.seen[id] = struct{}{}
		}
	}
	return min(max(st.Blocks, 0), math.MaxInt64/512) * 512
}

// add stops at the largest number: sizes are claims of the image.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func newShare(at place, name string, dir bool) *share {
	s := &share{Name: name, Dir: dir, URL: at.link("details")}
	if dir {
		s.URL = at.link("space")
	}
	return s
}

// part counts a file below a directory, in the part of it that it lies in.
func (s *share) part(at place, below string, bytes int64, dir bool) {
	name, deeper, _ := strings.Cut(below, "/")
	if n := len(s.parts); n == 0 || s.parts[n-1].Name != name {
		if n >= 2*maxShares {
			s.trim()
		}
		s.parts = append(s.parts, newShare(at.in(name), name, dir || deeper != ""))
	}
	last := s.parts[len(s.parts)-1]
	last.Bytes = add(last.Bytes, bytes)
}

// trim keeps the largest parts.
func (s *share) trim() {
	slices.SortFunc(s.parts, bySpace)
	s.parts = s.parts[:min(maxShares, len(s.parts))]
}

func bySpace(a, b *share) int {
	return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), strings.Compare(a.Name, b.Name))
}

// keep adds a part of the directory to the largest ones.
func (b *spaceBody) keep(list []*share, s *share) []*share {
	if s == nil {
		return list
	}
	s.trim()
	at, _ := slices.BinarySearchFunc(list, s, bySpace)
	list = slices.Insert(list, at, s)
	return list[:min(len(list), maxShares)]
}

// finish makes what the page shows of what was counted.
func (b *spaceBody) finish() {
	b.seen = nil
	b.Total, b.Files = humanize.IBytes(uint64(b.bytes)), humanize.Comma(b.files)
	rest := b.bytes
	for _, s := range b.Shares {
		rest = max(rest-s.Bytes, 0)
		s.Size = humanize.IBytes(uint64(s.Bytes))
		if b.bytes > 0 {
			s.Percent = fmt.Sprintf("%.1f %%", float64(s.Bytes)*100/float64(b.bytes))
		}
	}
	if rest > 0 {
		b.Rest = humanize.IBytes(uint64(rest))
	}
	b.Tiles = b.tiles()
}
