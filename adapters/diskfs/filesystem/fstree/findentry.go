package fstree

import (
	"io/fs"
	"iter"
)

// FindEntry is [Engine.Lookup] for a filesystem whose directories have no
// index: it reads entries until it meets the name. Where equal is not nil, the
// first name that equals by it will do if none is the same. If it is not
// found and a part of the directory could not be read, it may be there: the
// error is the first of these. Otherwise it is [fs.ErrNotExist].
func FindEntry(entries iter.Seq2[Entry, error], name string, equal func(a, b string) bool) (Entry, error) {
	var similar *Entry
	var failed error
	for e, err := range entries {
		switch {
		case err != nil:
			if failed == nil {
				failed = err
			}
		case e.Name == name:
			return e, nil
		case similar == nil && equal != nil && equal(e.Name, name):
			similar = &e
		}
	}
	switch {
	case similar != nil:
		return *similar, nil
	case failed != nil:
		return Entry{}, failed
	}
	return Entry{}, fs.ErrNotExist
}
