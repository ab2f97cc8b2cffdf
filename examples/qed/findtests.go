package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/find"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

// findTests are the tests of find that take a value.
var findTests = []struct {
	name, short, arg, usage string
	make                    func(string, *findContext) (find.Test, error)
	check                   func(string) error // where make needs the image
}{
	{"name", "", "pattern", "names that match, as *.conf", namePattern(find.Name, false), nil},
	{"iname", "", "pattern", "names that match, in upper or lower case", namePattern(find.Name, true), nil},
	{"path", "", "pattern", "paths that match; * matches slashes, too", namePattern(find.Path, false), nil},
	{"ipath", "", "pattern", "paths that match, in upper or lower case", namePattern(find.Path, true), nil},
	{"regex", "", "regexp", "paths that the expression matches somewhere", pathRegexp("", ""), nil},
	{"iregex", "", "regexp", "the same in upper or lower case", pathRegexp("(?i:", ")"), nil},
	{"extension", "e", "ext", "names with this extension", withExtension, nil},
	{"exclude", "E", "pattern", "leave out what has such a name, with all below it", excluded, nil},
	{"type", "t", "f|d|l|b|c|p|s", "files of a type, or of several with commas between", typeTest, nil},
	{"size", "S", "n[cwbkMGT]", "files of so many units, rounded up", sizeTest, nil},
	{"links", "", "n", "files of so many names", numberTest(find.Links), nil},
	{"inum", "", "n", "files of this inode", numberTest(find.Inode), nil},
	{"perm", "", "[-/]mode", "files of these permissions, of all (-) or one (/) of them", permTest, nil},
	{"user", "", "user", "files of a user", account("passwd", find.User), noCheck},
	{"group", "", "group", "files of a group", account("group", find.Group), noCheck},
	{"uid", "", "n", "files of a user's number", numberTest(find.User), nil},
	{"gid", "", "n", "files of a group's number", numberTest(find.Group), nil},
	{"mtime", "", "n", "contents changed so many days ago", age(find.Mtime, day), nil},
	{"mmin", "", "n", "contents changed so many minutes ago", age(find.Mtime, time.Minute), nil},
	{"atime", "", "n", "files read so many days ago", age(find.Atime, day), nil},
	{"amin", "", "n", "files read so many minutes ago", age(find.Atime, time.Minute), nil},
	{"ctime", "", "n", "inodes changed so many days ago", age(find.Ctime, day), nil},
	{"cmin", "", "n", "inodes changed so many minutes ago", age(find.Ctime, time.Minute), nil},
	{"newer", "", "path|time", "contents changed later than a file's, or than a time", changed(find.Time.After), noCheck},
	{"older", "", "path|time", "contents changed earlier", changed(find.Time.Before), noCheck},
	{"xattr", "", "name[=value]", "files with such an extended attribute", xattrTest, nil},
	{"max-depth", "d", "levels", "go down so many levels only", levels(find.MaxDepth), nil},
	{"min-depth", "", "levels", "find nothing above this level", levels(find.MinDepth), nil},
}

const day = 24 * time.Hour

func noCheck(string) error { return nil }

func age(t find.Time, unit time.Duration) func(string, *findContext) (find.Test, error) {
	return func(value string, x *findContext) (find.Test, error) {
		r, err := numberRange(value)
		if err != nil || x == nil {
			return find.Test{}, err
		}
		return t.Age(x.now, unit, r), nil
	}
}

// changed compares the time of change with that of a file of the image, or with a
// time.
func changed(test func(find.Time, time.Time) find.Test) func(string, *findContext) (find.Test, error) {
	return func(value string, x *findContext) (find.Test, error) {
		info, err := x.files.tree.Lstat(x.files.literal(value))
		if err == nil {
			return test(find.Mtime, info.ModTime()), nil
		}
		when, ok := parseTime(value, x.now)
		switch {
		case ok:
			return test(find.Mtime, when), nil
		case !errors.Is(err, fs.ErrNotExist):
			return find.Test{}, pathError(err)
		}
		return find.Test{}, fmt.Errorf("%s is no file of the image and no time, as 2024-05-17 or 2weeks", show.Name(value))
	}
}

// timeLayouts are the forms of a time; without a zone it is the local one.
var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05.999999999 -0700", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02",
}

// timeUnits are those of fd, after a number.
var timeUnits = map[string]time.Duration{
	"s": time.Second, "sec": time.Second, "second": time.Second, "m": time.Minute, "min": time.Minute, "minute": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hour": time.Hour, "d": day, "day": day, "w": 7 * day, "week": 7 * day,
	"month": 30*day + 10*time.Hour, "y": 365*day + 6*time.Hour, "year": 365*day + 6*time.Hour,
}

// parseTime reads a time, or how long it is ago.
func parseTime(s string, now time.Time) (time.Time, bool) {
	if seconds, ok := strings.CutPrefix(s, "@"); ok {
		n, err := strconv.ParseInt(seconds, 10, 64)
		return time.Unix(n, 0), err == nil
	}
	for _, layout := range timeLayouts {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, true
		}
	}
	digits := 0
	for digits < len(s) && '0' <= s[digits] && s[digits] <= '9' {
		digits++
	}
	n, err := strconv.ParseInt(s[:digits], 10, 32)
	unit := strings.ToLower(strings.TrimSpace(s[digits:]))
	d, ok := timeUnits[unit]
	if !ok {
		d, ok = timeUnits[strings.TrimSuffix(unit, "s")]
	}
	if err != nil || !ok || n > int64(math.MaxInt64/d) {
		return time.Time{}, false
	}
	return now.Add(-time.Duration(n) * d), true
}

// permTest takes the permissions in octal or as chmod's letters.
func permTest(value string, _ *findContext) (find.Test, error) {
	how := find.PermExactly
	switch {
	case strings.HasPrefix(value, "-"):
		how, value = find.PermAll, value[1:]
	case strings.HasPrefix(value, "/"):
		how, value = find.PermAny, value[1:]
	}
	bits, err := parseMode(value)
	return find.Perm(how, bits), err
}

// parseMode reads 0644 or u=rw,g=r,o=r.
func parseMode(s string) (uint32, error) {
	if n, err := strconv.ParseUint(s, 8, 32); err == nil && n <= 0o7777 {
		return uint32(n), nil
	}
	var bits uint32
	for clause := range strings.SplitSeq(s, ",") {
		who := clause[:len(clause)-len(strings.TrimLeft(clause, "ugoa"))]
		rest := clause[len(who):]
		if rest == "" || strings.IndexByte("+-=", rest[0]) < 0 {
			return 0, fmt.Errorf("%q are no permissions, as 644 or u=rw,g=r", s)
		}
		set, ok := clauseBits(who, rest[1:])
		if !ok {
			return 0, fmt.Errorf("%q are no permissions, as 644 or u=rw,g=r", s)
		}
		switch rest[0] {
		case '-':
			bits &^= set
		case '=':
			all, _ := clauseBits(who, "rwxst")
			bits = bits&^all | set
		default:
			bits |= set
		}
	}
	return bits, nil
}

// clauseBits are the bits of letters for some users; none stands for all.
func clauseBits(who, letters string) (bits uint32, ok bool) {
	if who == "" || strings.Contains(who, "a") {
		who = "ugo"
	}
	each := map[rune][3]uint32{ // user, group, others
		'r': {0o400, 0o040, 0o004}, 'w': {0o200, 0o020, 0o002}, 'x': {0o100, 0o010, 0o001},
		's': {0o4000, 0o2000, 0}, 't': {0, 0, 0o1000},
	}
	for _, letter := range letters {
		b, known := each[letter]
		if !known {
			return 0, false
		}
		for i, class := range "ugo" {
			if strings.ContainsRune(who, class) {
				bits |= b[i]
			}
		}
	}
	return bits, true
}

// account is a test of an owner or group: a number, with + or - before it, or a name
// that a file of the guest has.
func account(file string, test func(find.Range) find.Test) func(string, *findContext) (find.Test, error) {
	return func(value string, x *findContext) (find.Test, error) {
		if r, err := numberRange(value); err == nil {
			return test(r), nil
		}
		n, err := x.files.accountID(x.root, file, value)
		return test(find.Exactly(n)), err
	}
}

const maxAccounts = 16 << 20 // bytes that are read of a list of accounts

// accountID looks an account up: in the guest's list for a path of the guest or of the
// whole disk, else in that of the volume.
func (f *files) accountID(root, file, name string) (int64, error) {
	list := "/etc/" + file
	if root != "." && !isGuest(root) {
		volume, _, _ := strings.Cut(root, "/")
		list = volume + "/etc/" + file
	}
	r, err := f.tree.Open(list)
	if err != nil {
		return 0, fmt.Errorf("%s: %w; give the number", show.Name(name), pathError(err))
	}
	defer r.Close()
	for s := bufio.NewScanner(io.LimitReader(r, maxAccounts)); ; {
		if !s.Scan() {
			if s.Err() != nil {
				return 0, atPath(list, s.Err())
			}
			return 0, fmt.Errorf("%s: there is none in %s; give the number", show.Name(name), show.Name(list))
		}
		if fields := strings.Split(s.Text(), ":"); len(fields) > 2 && fields[0] == name {
			if n, err := strconv.ParseUint(fields[2], 10, 32); err == nil {
				return int64(n), nil
			}
		}
	}
}
