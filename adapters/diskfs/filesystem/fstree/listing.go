package fstree

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// SubdirCounter is for filesystems in which a directory's link count tells how
// many directories are in it, as on ext4 and XFS. The types that the entries
// state can be held against that, as a list of names needs no inode otherwise.
type SubdirCounter interface {
	// Subdirs returns how many directories are in one; ok is false where the
	// directory does not count them.
	Subdirs(dir ID) (n uint64, ok bool)
}

// list reads a directory whole and sorts it.
func (t *tree) list(dir ID) ([]dirEntry, error) {
	var list []dirEntry
	var errs damages
	for e, err := range t.engine.ReadDir(dir) {
		if err == nil {
			var d dirEntry
			if d, err = t.entry(e); err == nil {
				list = append(list, d)
				continue
			}
		}
		errs.add(err)
	}
	slices.SortStableFunc(list, func(a, b dirEntry) int { return strings.Compare(a.name, b.name) })
	list = t.dropTwins(list, &errs)
	t.checkTypes(dir, list, &errs)
	return list, errors.Join(errs...)
}

// damages are the errors of one directory, the first of them.
type damages []error

func (d *damages) add(err error) {
	if len(*d) < maxErrors {
		*d = append(*d, err)
	}
}

// dropTwins keeps the first of the entries that have one name: no path leads
// to the others.
func (t *tree) dropTwins(list []dirEntry, errs *damages) []dirEntry {
	return slices.CompactFunc(list, func(a, b dirEntry) bool {
		if a.name != b.name {
			return false
		}
		errs.add(t.damagedDir(fmt.Sprintf("a second entry named %q", b.name)))
		return true
	})
}

// checkTypes reads the inodes of a directory in which not as many entries say
// that they are directories as there should be. What lies below one that says
// something else must not be lost.
func (t *tree) checkTypes(dir ID, list []dirEntry, errs *damages) {
	counter, ok := t.engine.(SubdirCounter)
	if !ok {
		return
	}
	var stated uint64
	for i := range list {
		if list[i].IsDir() {
			stated++
		}
	}
	if n, ok := counter.Subdirs(dir); !ok || n == stated {
		return
	}
	for i := range list {
		d := &list[i]
		st, err := t.engine.Stat(d.id)
		if err != nil || st.Mode.Type() == d.typ {
			continue // a damaged inode is an error where it is used
		}
		errs.add(t.wrongType(d, st.Mode.Type()))
		d.typ = st.Mode.Type()
	}
}

// wrongType is the error of an entry that states another type than its inode.
// The inode is right, as it is for the kernel.
func (t *tree) wrongType(d *dirEntry, inode fs.FileMode) error {
	why := fmt.Sprintf("%q is a %s, its entry says %s", d.name, typeWord(inode), typeWord(d.typ))
	return &DamageError{FS: t.engine.Info().Type, Structure: "directory entry", Block: -1, Why: why}
}

func typeWord(m fs.FileMode) string {
	switch m {
	case 0:
		return "regular file"
	case fs.ModeDir:
		return "directory"
	case fs.ModeSymlink:
		return "symbolic link"
	}
	return "special file"
}

// SubdirsByLinks is [SubdirCounter] for a directory whose links are its own
// name, its "." and the ".." of each directory in it. Fewer than two mean that
// it does not count, as in a directory of ext4 that has had too many.
func SubdirsByLinks(st *Stat) (n uint64, ok bool) {
	if st.Nlink < 2 {
		return 0, false
	}
	return st.Nlink - 2, true
}
