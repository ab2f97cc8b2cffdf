package fstree

import (
	"io/fs"

	"github.com/qedfs/qedfs/backend"
)

const (
	announcedInodes = 4096    // inodes that are announced together
	announcedNames  = 1 << 16 // entries of the directories that are listed ahead
	rootBytes       = 192 << 10
	firstStream     = 1 << 20 // bytes of a file that are announced when reading begins
	mostStream      = 24 << 20
)

// Placer is for engines that can tell where on the volume something lies before
// they read it. Where reading takes long, all that a walk or a listing is going
// to need is announced together, and comes in few requests.
//
// What is returned is a hint. Whatever cannot be told, by damage for example,
// is left out, and met by who reads it.
type Placer interface {
	// Cache is what the engine reads the volume by.
	Cache() *Cache

	// InodeAt returns where what [Engine.Stat] reads of a file lies.
	InodeAt(id ID) []backend.Range

	// EntriesAt returns where a directory's entries lie. It may read the
	// directory's inode.
	EntriesAt(dir ID) []backend.Range
}

// Placed is implemented by the [Content] of an engine that knows better than
// [Content.Extents] what reading it will ask the engine's cache for.
type Placed interface {
	// StoredAt returns where what n bytes at off are read from lies.
	StoredAt(off, n int64) []backend.Range
}

// placerOf is the engine as a Placer, nil where announcing is of no use.
func placerOf(e Engine) Placer {
	if p, ok := e.(Placer); ok && p.Cache().Announces() {
		return p
	}
	return nil
}

// announceRoot announces the root's inode with what lies after it: the inodes,
// or the directories, that were made first lead to all others.
func (t *tree) announceRoot() {
	if t.placer == nil {
		return
	}
	ranges := t.placer.InodeAt(t.engine.Root())
	for i := range ranges {
		ranges[i].Len = max(ranges[i].Len, min(rootBytes, t.placer.Cache().Size()-ranges[i].Off))
	}
	t.placer.Cache().Announce(ranges)
}

// announceInodes announces those of a part of a directory's entries; of
// directories alone if only these are entered.
func (t *tree) announceInodes(list []dirEntry, dirsOnly bool) {
	if t.placer == nil {
		return
	}
	var ranges []backend.Range
	for i := range list {
		if !dirsOnly || list[i].IsDir() {
			ranges = append(ranges, t.placer.InodeAt(list[i].id)...)
		}
	}
	t.placer.Cache().Announce(ranges)
}

// announceEntries announces what is in directories whose inodes are there, or on
// their way.
func (t *tree) announceEntries(dirs []*listing) {
	if t.placer == nil {
		return
	}
	var ranges []backend.Range
	for _, d := range dirs {
		ranges = append(ranges, t.placer.EntriesAt(d.id)...)
	}
	t.placer.Cache().Announce(ranges)
}

// lookAhead reads the names in directories and in those below them, one level
// after the other and each level together, up to some number of names; and
// announces the inodes of what is there as far as the walk wants them. So the
// number of times that somebody waits is that of the levels, not that of the
// directories.
func (t *tree) lookAhead(level []*listing, stat bool) {
	own := make([]dirEntry, len(level))
	for i, l := range level {
		own[i] = dirEntry{id: l.id, typ: fs.ModeDir}
	}
	t.announceInodes(own, false)
	for names := 0; len(level) > 0 && names < announcedNames; {
		level = level[:min(len(level), announcedNames)]
		t.announceEntries(level)
		var inside []dirEntry
		var below []*listing
		for _, l := range level {
			l.looked = true
			l.names.do()
			inside = append(inside, l.list...)
			below = append(below, l.subs...)
			if names += len(l.list); names >= announcedNames {
				break
			}
		}
		for len(inside) > 0 {
			n := min(len(inside), announcedInodes)
			t.announceInodes(inside[:n], !stat)
			inside = inside[n:]
		}
		level = below
	}
}

// stream is how far a file that is read from the beginning to the end has been
// announced.
type stream struct {
	next   int64 // where a read would go on from the last one
	told   int64 // up to which byte
	window int64 // how far ahead, in bytes; it grows
}

// readStream announces what follows a read of n bytes at off, if that goes on
// from the one before it.
func (f *file) readStream(off, n int64) {
	p := f.tree.placer
	if p == nil {
		return
	}
	s := &f.stream
	if off != s.next {
		*s = stream{told: off + n}
	}
	s.next = off + n
	switch {
	case s.window == 0:
		s.window = firstStream
	case s.told-s.next < s.window/2:
		s.window = min(s.window*2, mostStream)
	default:
		return
	}
	from, to := max(s.told, s.next), min(s.next+s.window, f.content.Size())
	s.told = to
	if from < to {
		p.Cache().Announce(storedAt(f.content, from, to-from))
	}
}

// storedAt is where the bytes of a file lie, as far as they are stored as they
// are.
func storedAt(c Content, off, n int64) (ranges []backend.Range) {
	if p, ok := c.(Placed); ok {
		return p.StoredAt(off, n)
	}
	for x, err := range c.Extents(off, n) {
		if err != nil || len(ranges) == announcedInodes {
			break
		}
		if x.Offset >= 0 && !x.Hole {
			ranges = append(ranges, backend.Range{Off: x.Offset, Len: x.Length})
		}
	}
	return ranges
}
