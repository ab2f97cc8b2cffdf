package find

import (
	"io/fs"
	"math"
	"slices"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Range is the whole numbers from Min to Max.
type Range struct{ Min, Max int64 }

// Exactly is one number.
func Exactly(n int64) Range { return Range{n, n} }

// MoreThan is all numbers above n.
func MoreThan(n int64) Range {
	if n == math.MaxInt64 {
		return Range{1, 0} // none
	}
	return Range{n + 1, math.MaxInt64}
}

// LessThan is all numbers below n.
func LessThan(n int64) Range {
	if n == math.MinInt64 {
		return Range{1, 0}
	}
	return Range{math.MinInt64, n - 1}
}

func (r Range) has(n int64) bool { return r.Min <= n && n <= r.Max }

// hasUnsigned is for numbers of an image, which may be larger than any in a range.
func (r Range) hasUnsigned(n uint64) bool {
	if n > math.MaxInt64 {
		return r.Max == math.MaxInt64 && r.Min <= r.Max
	}
	return r.has(int64(n))
}

// inode is a test of what an inode says.
func inode(ask func(*fstree.Stat) bool) Test {
	return Test{cost: costInode, ask: func(f *File) (bool, error) {
		st, err := f.Stat()
		if err != nil {
			return false, err
		}
		return ask(st), nil
	}}
}

// Type is true of files of one of the types, which are bits of [fs.ModeType]: 0
// is a regular file. The type is the inode's; what a directory's entry says is
// not relied on.
func Type(types ...fs.FileMode) Test {
	types = slices.Clone(types)
	return inode(func(st *fstree.Stat) bool { return slices.Contains(types, st.Mode.Type()) })
}

// Size is true of files whose length, counted in units of so many bytes and
// rounded up, is in the range.
func Size(unit int64, r Range) Test {
	return inode(func(st *fstree.Stat) bool {
		size := max(st.Size, 0)
		n := size / unit
		if size%unit > 0 {
			n++
		}
		return r.has(n)
	})
}

// Links is true of files with so many names.
func Links(r Range) Test {
	return inode(func(st *fstree.Stat) bool { return r.hasUnsigned(st.Nlink) })
}

// Inode is true of files with such a number.
func Inode(r Range) Test {
	return inode(func(st *fstree.Stat) bool { return r.hasUnsigned(st.Ino) })
}

// User is true of files of owners in the range.
func User(r Range) Test {
	return inode(func(st *fstree.Stat) bool { return r.has(int64(st.UID)) })
}

// Group is true of files of groups in the range.
func Group(r Range) Test {
	return inode(func(st *fstree.Stat) bool { return r.has(int64(st.GID)) })
}

// Permissions says how those of a file are compared.
type Permissions int

const (
	PermExactly Permissions = iota // they are the given ones
	PermAll                        // the given ones are among them
	PermAny                        // one of the given ones is among them, or none are given
)

// Perm is true of files with permissions; bits are those of Unix, 0o7777 at most.
func Perm(how Permissions, bits uint32) Test {
	return inode(func(st *fstree.Stat) bool {
		has := fstree.UnixBits(st.Mode) & 0o7777
		switch how {
		case PermAll:
			return has&bits == bits
		case PermAny:
			return bits == 0 || has&bits != 0
		}
		return has == bits
	})
}

// Time is one of the times of a file.
type Time int

const (
	Mtime Time = iota // its contents changed
	Atime             // it was read
	Ctime             // its inode changed
	Btime             // it was made
)

func (t Time) of(st *fstree.Stat) time.Time {
	switch t {
	case Atime:
		return st.Atime
	case Ctime:
		return st.Ctime
	case Btime:
		return st.Btime
	}
	return st.Mtime
}

// After is true of files whose time is later. A time that the filesystem does not
// keep is neither later nor earlier than any, and of no age.
func (t Time) After(when time.Time) Test {
	return inode(func(st *fstree.Stat) bool { return t.of(st).After(when) })
}

// Before is true of files whose time is earlier.
func (t Time) Before(when time.Time) Test {
	return inode(func(st *fstree.Stat) bool {
		at := t.of(st)
		return !at.IsZero() && at.Before(when)
	})
}

// Age is true of files whose time lies before now by a number of whole units that
// is in the range; what is left of a unit does not count.
func (t Time) Age(now time.Time, unit time.Duration, r Range) Test {
	return inode(func(st *fstree.Stat) bool {
		at := t.of(st)
		return !at.IsZero() && r.has(wholeUnits(now, at, int64(unit/time.Second)))
	})
}

// wholeUnits counts the units of so many seconds between two times, rounded down. A
// Duration holds 292 years only, and images hold times of any year.
func wholeUnits(now, at time.Time, unit int64) int64 {
	seconds := now.Unix() - at.Unix()
	if now.Nanosecond() < at.Nanosecond() {
		seconds--
	}
	n := seconds / unit
	if seconds%unit < 0 {
		n--
	}
	return n
}

// Empty is true of regular files of no length and of directories with nothing in
// them.
func Empty() Test {
	return Test{cost: costInode, ask: func(f *File) (bool, error) {
		st, err := f.Stat()
		switch {
		case err != nil:
			return false, err
		case st.Mode.IsRegular():
			return st.Size == 0, nil
		case !st.Mode.IsDir():
			return false, nil
		}
		list, err := fs.ReadDir(f.tree, f.Path)
		return len(list) == 0 && err == nil, err
	}}
}

// Xattr is true of files with an extended attribute of such a name and, unless it is
// nil, such a value.
func Xattr(name, value *Pattern) Test {
	return Test{cost: costXattrs, ask: func(f *File) (bool, error) {
		st, err := f.Stat()
		if err != nil {
			return false, err
		}
		attrs, err := st.Xattrs()
		for k, v := range attrs {
			if name.Match(k) && (value == nil || value.Match(string(v))) {
				return true, nil
			}
		}
		return false, atPath(f.Path, err)
	}}
}
