package main

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"
)

// Limits of what is done to say what a wrong path may have meant.
const (
	maxMeant       = 20     // paths of a command
	maxCorrections = 4      // elements of a path
	maxSpelled     = 200000 // names of a directory
	maxNameLength  = 255    // bytes of a name that is compared
)

// meant says where a path may be that is not there: without the volume it is the
// guest's, or is in another one, or is spelled in another way. What it says is
// there; "" is nothing.
func (f *files) meant(name string) string {
	if f.explained++; f.explained > maxMeant {
		return ""
	}
	rest := strings.TrimPrefix(name, "/")
	first, below, _ := strings.Cut(rest, "/")
	volume := !isGuest(name) && f.isVolume(first)
	if found := f.spelled(name); found != "" {
		return found
	}
	if volume {
		rest = below
	}
	if rest == "" {
		return ""
	}
	if s, err := f.tree.system(); !isGuest(name) && err == nil && s != nil {
		if _, err := s.Root().Lstat(rest); err == nil {
			return "/" + rest
		}
	}
	for i := range f.volumes {
		other := f.volumes[i].Name + "/" + rest
		if _, err := f.tree.Lstat(other); err == nil && other != name {
			return other
		}
	}
	return ""
}

// spelled is a path with the elements that are not there replaced by the nearest
// that are.
func (f *files) spelled(name string) string {
	at, rest := ".", name
	if isGuest(name) {
		at, rest = "/", name[1:]
	}
	corrections := 0
	for elem := range strings.SplitSeq(rest, "/") {
		next := path.Join(at, elem)
		_, err := f.tree.Stat(next)
		if errors.Is(err, fs.ErrNotExist) {
			if corrections++; corrections > maxCorrections {
				return ""
			}
			near := f.nearest(at, elem)
			if near == "" {
				return ""
			}
			next = path.Join(at, near)
			_, err = f.tree.Lstat(next)
		}
		if err != nil {
			return ""
		}
		at = next
	}
	if at == name {
		return ""
	}
	return at
}

// nearest is the name of a directory that is nearest to another one, "" if none is
// near, or several are as near as each other.
func (f *files) nearest(dir, name string) string {
	list, _ := f.tree.ReadDir(dir) // what can be read of it
	if len(list) > maxSpelled {
		return ""
	}
	found, best, same := "", maxDistance(name)+1, false
	for _, d := range list {
		n := d.Name()
		if difference := len(n) - len(name); difference > 3*best || -difference > 3*best {
			continue
		}
		distance := 0
		if !strings.EqualFold(n, name) {
			distance = spellingDistance(n, name, best+1)
		}
		switch {
		case distance < best:
			found, best, same = n, distance, false
		case distance == best && best <= maxDistance(name):
			same = true
		}
	}
	if same {
		return ""
	}
	return found
}

// maxDistance is how many letters may be wrong: one in three, and of a single one
// none.
func maxDistance(name string) int { return min(utf8.RuneCountInString(name)/3, 3) }

// spellingDistance counts the letters to change, to add, to leave out, and those
// side by side to exchange, that make one word of another. What is most or more is
// not counted on.
func spellingDistance(a, b string, most int) int {
	if len(a) > maxNameLength || len(b) > maxNameLength {
		return most
	}
	x, y := []rune(a), []rune(b)
	before, last, now := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := range x {
		now[0] = i + 1
		least := now[0]
		for j := range y {
			change := last[j]
			if x[i] != y[j] {
				change++
			}
			now[j+1] = min(change, last[j+1]+1, now[j]+1)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				now[j+1] = min(now[j+1], before[j-1]+1)
			}
			least = min(least, now[j+1])
		}
		if least >= most {
			return most
		}
		before, last, now = last, now, before
	}
	return last[len(y)]
}
