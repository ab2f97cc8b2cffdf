package web

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/find"
)

// listing is what is in a directory: directories first, each part in order of
// names.
type listing struct {
	key   string // of its place
	names []string
	dirs  int // how many of the names are of directories
	err   error

	// sorted is by what the order below is, of indices of names.
	sorted sorting
	order  []int32
}

// listings lists directories one at a time, and remembers the last one: whoever
// turns the pages of a large directory does not have it read for each.
type listings struct {
	turn chan struct{} // holds one while somebody lists
	last *listing
}

func newListings() *listings { return &listings{turn: make(chan struct{}, 1)} }

// get lists a directory. What it returns is not changed any more.
func (l *listings) get(ctx context.Context, p place, by sorting) (*listing, error) {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-l.turn }()
	if l.last == nil || l.last.key != p.key() {
		l.last = nil // two large ones are not held at a time
		l.last = newListing(p)
	}
	if by.By != byName && l.last.sorted.By != by.By {
		order, err := l.last.orderBy(ctx, p, by.By)
		if err != nil {
			return nil, err
		}
		c := *l.last
		c.sorted, c.order = by, order
		l.last = &c
	}
	return l.last, nil
}

func newListing(p place) *listing {
	list, err := p.tree.ReadDir(p.path)
	l := &listing{key: p.key(), names: make([]string, 0, len(list)), err: err, sorted: sorting{By: byName}}
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

// Count says what is in the directory.
func (l *listing) Count() string {
	return english.Plural(l.dirs, "directory", "") + ", " + english.Plural(len(l.names)-l.dirs, "file", "")
}

// sorting is an order of a directory's entries. Directories come first in each.
type sorting struct {
	By   column
	Desc bool
}

// column is what entries are sorted by, as it stands in addresses.
type column string

const (
	byName  column = ""
	bySize  column = "size"
	byTime  column = "time"
	byOwner column = "owner"
	byMode  column = "mode"
)

// value is what a file has in a column.
func (c column) value(st *fstree.Stat) int64 {
	switch c {
	case bySize:
		return st.Size
	case byTime:
		return st.Mtime.UnixNano()
	case byOwner:
		return int64(st.UID)<<32 | int64(st.GID)
	}
	return int64(fstree.UnixBits(st.Mode))
}

// orderBy sorts the entries. Files that cannot be read come first, where they
// are seen.
func (l *listing) orderBy(ctx context.Context, p place, by column) ([]int32, error) {
	values := make([]int64, len(l.names))
	for i := range values {
		values[i] = -1 << 63
	}
	dirs, files := l.names[:l.dirs], l.names[l.dirs:]
	for e, err := range p.tree.Walk(ctx, p.path, &fstree.WalkOptions{Stat: true}) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil || e.Path == p.path {
			continue // the row of the file says it
		}
		e.Skip = true
		st, err := e.Stat()
		if err != nil {
			continue
		}
		name := path.Base(e.Path)
		if i, ok := slices.BinarySearch(dirs, name); ok {
			values[i] = by.value(st)
		} else if i, ok := slices.BinarySearch(files, name); ok {
			values[l.dirs+i] = by.value(st)
		}
	}
	order := make([]int32, len(l.names))
	for i := range order {
		order[i] = int32(i)
	}
	for _, part := range [][]int32{order[:l.dirs], order[l.dirs:]} {
		slices.SortStableFunc(part, func(a, b int32) int { return cmp.Compare(values[a], values[b]) })
	}
	return order, nil
}

// entries are the names that a pattern matches, in an order. Pages of what is
// not filtered are made without looking at the rest.
func (l *listing) entries(by sorting, filter *find.Pattern, from, n int) (names []string, total int) {
	at := func(i int) string {
		if by.Desc { // within directories and files
			if i < l.dirs {
				i = l.dirs - 1 - i
			} else {
				i = len(l.names) - 1 - (i - l.dirs)
			}
		}
		if by.By != byName {
			i = int(l.order[i])
		}
		return l.names[i]
	}
	if filter == nil {
		for i := from; i < min(from+n, len(l.names)); i++ {
			names = append(names, at(i))
		}
		return names, len(l.names)
	}
	for i := range l.names {
		name := at(i)
		if !filter.Match(name) {
			continue
		}
		if total >= from && total < from+n {
			names = append(names, name)
		}
		total++
	}
	return names, total
}

// pattern is what a user means by a part of a name, or by a pattern for whole
// names; nil stands for every name.
func pattern(text string) (*find.Pattern, error) {
	if text == "" {
		return nil, nil
	}
	if !find.HasMeta(text) {
		text = "*" + strings.ReplaceAll(text, `\`, `\\`) + "*"
	}
	return find.CompilePattern(text, true)
}
