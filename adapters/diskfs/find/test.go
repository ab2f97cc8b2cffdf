package find

import (
	"cmp"
	"slices"
)

// Test is a question about a file, made by [Name], [Size] and the others and put
// together by [And], [Or] and [Not]. The zero Test is true of every file. A Test
// is a value that does not change and may be used by many goroutines.
type Test struct {
	cost    cost
	acts    bool // it does something, and has its place in an And
	selects bool // there is a Select in it
	ask     func(*File) (bool, error)
}

// cost is what has to be read to answer a test. Cheap tests are asked first.
type cost int

const (
	costNothing cost = iota // name, path, depth
	costInode
	costXattrs
)

func (t Test) eval(f *File) (bool, error) {
	if t.ask == nil {
		return true, nil
	}
	return t.ask(f)
}

// And is true of files of which all the tests are. Those that need only a name
// are asked before those that need an inode, but never across one that acts:
// [Prune], [Select], [Quit].
func And(tests ...Test) Test {
	ordered := slices.Clone(tests)
	for from := 0; from < len(ordered); {
		to := from
		for to < len(ordered) && !ordered[to].acts {
			to++
		}
		slices.SortStableFunc(ordered[from:to], func(a, b Test) int { return cmp.Compare(a.cost, b.cost) })
		from = to + 1
	}
	t := combined(tests)
	t.ask = func(f *File) (bool, error) {
		for _, t := range ordered {
			if ok, err := t.eval(f); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	if len(ordered) > 0 {
		t.cost = ordered[0].cost
	}
	return t
}

// Or is true of files of which one of the tests is. What follows that one is not
// asked.
func Or(tests ...Test) Test {
	tests = slices.Clone(tests)
	t := combined(tests)
	t.ask = func(f *File) (bool, error) {
		for _, t := range tests {
			if ok, err := t.eval(f); ok || err != nil {
				return ok, err
			}
		}
		return false, nil
	}
	for _, o := range tests {
		t.cost = max(t.cost, o.cost)
	}
	return t
}

// Not is true of files of which the test is not.
func Not(test Test) Test {
	t := test
	t.ask = func(f *File) (bool, error) {
		ok, err := test.eval(f)
		return !ok && err == nil, err
	}
	return t
}

// combined is a test made of others, but for what it asks.
func combined(tests []Test) Test {
	var t Test
	for _, o := range tests {
		t.acts, t.selects = t.acts || o.acts, t.selects || o.selects
	}
	return t
}

// Prune is true, and has a directory not entered.
func Prune() Test {
	return Test{acts: true, ask: func(f *File) (bool, error) { f.prune = true; return true, nil }}
}

// Select is true, and has the file found. Where a test has one in it, only files
// that it was asked about are found, whatever the whole test says of them. It is
// find's -print.
func Select() Test {
	return Test{acts: true, selects: true, ask: func(f *File) (bool, error) { f.selected = true; return true, nil }}
}

// Quit is true, and ends the search after the file.
func Quit() Test {
	return Test{acts: true, ask: func(f *File) (bool, error) { f.quit = true; return true, nil }}
}

// MaxDepth is true down to so many levels below the root of the search, which is
// level 0, and has nothing entered that lies deeper.
func MaxDepth(levels int) Test {
	return Test{acts: true, ask: func(f *File) (bool, error) {
		f.prune = f.prune || f.Depth >= levels
		return f.Depth <= levels, nil
	}}
}

// MinDepth is true from so many levels below the root of the search on.
func MinDepth(levels int) Test {
	return Test{ask: func(f *File) (bool, error) { return f.Depth >= levels, nil }}
}
