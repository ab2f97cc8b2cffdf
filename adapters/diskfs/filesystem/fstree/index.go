package fstree

import "sync"

const (
	indexedDirs  = 4       // directories that are indexed at a time
	indexAfter   = 16      // lookups in a directory before it is
	indexEntries = 1 << 17 // of one directory that are indexed
)

// indexes are the names of the directories in which many lookups went on
// lately. An engine may have to scan a directory for a name: without an index, to
// open each of its files by its path would take time that grows with the square of
// their number.
type indexes struct {
	mu   sync.Mutex
	dirs [indexedDirs]*dirIndex // the last used first
}

type dirIndex struct {
	dir     ID
	lookups int
	once    sync.Once
	names   map[string]Entry // as stored
}

// find looks a stored name up in the directory's index, if it has one by now.
// A name that it does not find may exist all the same, in another case or
// after the first entries.
func (x *indexes) find(engine Engine, dir ID, name string) (Entry, bool) {
	d := x.use(dir)
	if d == nil {
		return Entry{}, false
	}
	d.once.Do(func() { d.read(engine) })
	e, ok := d.names[name]
	return e, ok
}

// use counts a lookup in a directory, and returns its index from the time on
// that it is worth one.
func (x *indexes) use(dir ID) *dirIndex {
	x.mu.Lock()
	defer x.mu.Unlock()
	var found *dirIndex
	for i, d := range x.dirs {
		last := i == len(x.dirs)-1
		if d != nil && d.dir == dir {
			found = d
		} else if last || d == nil {
			found = &dirIndex{dir: dir}
		}
		if found != nil {
			copy(x.dirs[1:i+1], x.dirs[:i])
			x.dirs[0] = found
			break
		}
	}
	if found.lookups++; found.lookups <= indexAfter {
		return nil
	}
	return found
}

// read fills the index. What is damaged is not in it, and is left to the
// engine's own lookup.
func (d *dirIndex) read(engine Engine) {
	d.names = map[string]Entry{}
	for e, err := range engine.ReadDir(d.dir) {
		if err != nil {
			continue
		}
		if len(d.names) == indexEntries {
			return
		}
		if _, twice := d.names[e.Name]; !twice {
			d.names[e.Name] = e
		}
	}
}
