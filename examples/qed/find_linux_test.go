package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// mountedImage mounts a raw image for reading, until the test ends.
func mountedImage(t *testing.T, kind, image string) string {
	t.Helper()
	oracle.Root(t)
	dir := t.TempDir()
	oracle.Run(t, "mount", "-t", kind, "-o", "ro,loop", image, dir)
	t.Cleanup(func() { oracle.Run(t, "umount", dir) })
	return dir
}

// inUTF8 is a tool that runs in a directory with the characters of UTF-8.
func inUTF8(t *testing.T, dir, tool string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(oracle.Tool(t, tool), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
	return cmd
}

// expressions makes random ones, of what the files of a filesystem have.
type expressions struct {
	*rand.Rand
	records []fstreetest.Record
}

func (x *expressions) record() *fstreetest.Record { return &x.records[x.IntN(len(x.records))] }

// number is one near n, alone or with a sign.
func (x *expressions) number(n int64) string {
	n = max(n+x.Int64N(3)-1, 0)
	return []string{"", "+", "-"}[x.IntN(3)] + strconv.FormatInt(n, 10)
}

// pattern makes a pattern of a text.
func (x *expressions) pattern(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch x.IntN(9) {
		case 0:
			b.WriteByte('?')
		case 1:
			b.WriteString("*")
		case 2:
			if r < 0x80 && r != '/' && r > ' ' {
				fmt.Fprintf(&b, "[%s%c-~]", []string{"", "!"}[x.IntN(2)], r)
				continue
			}
			b.WriteRune(r)
		case 3:
			b.WriteByte('\\')
			b.WriteRune(r)
		case 4:
			b.WriteString([]string{"[[:alpha:]]", "[[:digit:]x]", "[!a-f]", "[]-]"}[x.IntN(4)])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func (x *expressions) mode() string {
	m := fmt.Sprintf("%o", x.record().Mode&0o7777)
	switch x.IntN(4) {
	case 0:
		m = []string{"u+w", "g=rx", "a+r", "u=rwx,go=rx", "u+s", "+t", "o-w", "ug+x,o=r"}[x.IntN(8)]
	case 1:
		m = fmt.Sprintf("%o", x.IntN(0o10000))
	}
	return []string{"", "-", "/"}[x.IntN(3)] + m
}

// test is a test of an expression, where paths begin with top.
func (x *expressions) test(top string) []string {
	r := x.record()
	name := filepath.Base(fstree.UnescapeName(r.Path))
	path := strings.TrimPrefix(fstree.UnescapeName(r.Path), ".")
	switch x.IntN(15) {
	case 0:
		return []string{"-name", x.pattern(name)}
	case 1:
		return []string{"-iname", x.pattern(strings.ToUpper(name))}
	case 2:
		return []string{"-path", top + "/" + x.pattern(path)}
	case 3:
		return []string{"-type", []string{"f", "d", "l", "c", "b", "p", "s", "f,d", "l,s,p"}[x.IntN(9)]}
	case 4:
		unit := x.IntN(6)
		return []string{"-size", x.number(r.Size/[]int64{512, 1, 2, 512, 1 << 10, 1 << 20}[unit]) + []string{"", "c", "w", "b", "k", "M"}[unit]}
	case 5:
		return []string{"-links", x.number(int64(r.Nlink))}
	case 6:
		return []string{"-inum", x.number(int64(r.Ino))}
	case 7:
		return []string{"-perm", x.mode()}
	case 8:
		return []string{"-uid", x.number(int64(r.UID))}
	case 9:
		return []string{"-gid", x.number(int64(r.GID))}
	case 10:
		return []string{"-mtime", x.number(int64(time.Since(*r.Mtime) / (24 * time.Hour)))}
	case 11:
		if strings.ContainsRune(r.Path, '\uFFFD') || len(r.Target) > 0 { // find would follow it
			return []string{"-true"}
		}
		return []string{"-newer", top + strings.TrimPrefix("/"+r.Path, "/.")}
	case 12:
		return []string{"-empty"}
	case 13:
		return []string{"-false"}
	}
	return []string{"-newermt", r.Mtime.Add(time.Duration(x.IntN(3)-1) * time.Second).UTC().Format("2006-01-02 15:04:05")}
}

func (x *expressions) expr(top string, depth int) []string {
	if depth == 0 || x.IntN(3) == 0 {
		return x.test(top)
	}
	a, b := x.expr(top, depth-1), x.expr(top, depth-1)
	switch x.IntN(5) {
	case 0:
		return append(append([]string{"("}, append(append(a, "-o"), b...)...), ")")
	case 1:
		return append(append(a, "-a"), b...)
	case 2:
		return append([]string{"!", "("}, append(a, ")")...)
	case 3:
		return append(append(a, "-o"), b...)
	}
	return append(a, b...)
}

// actions gives an expression what only find has.
func (x *expressions) actions(top string) []string {
	expr := x.expr(top, 3)
	switch x.IntN(4) {
	case 0:
		expr = append(append([]string{"-type", "d"}, x.test(top)...), append([]string{"-prune", "-o"}, expr...)...)
	case 1:
		expr = append(append([]string{"(", "-name", "d*", "-prune", ")", "-o"}, expr...), "-print")
	}
	if x.IntN(4) == 0 {
		expr = append([]string{"-maxdepth", strconv.Itoa(x.IntN(4))}, expr...)
	}
	if x.IntN(4) == 0 {
		expr = append([]string{"-mindepth", strconv.Itoa(x.IntN(3))}, expr...)
	}
	return expr
}

// ended is a program's list of things that each end in a NUL, sorted.
func ended(out string) []string {
	list := strings.Split(out, "\x00")
	list = list[:len(list)-1]
	slices.Sort(list)
	return list
}

func TestFindIsFindOnAKernelMount(t *testing.T) {
	rounds := 150
	if oracle.Long() {
		rounds = 3000
	}
	for name, kind := range map[string]string{"ext4-1k": "ext4", "xfs-v5": "xfs", "btrfs": "btrfs"} {
		t.Run(name, func(t *testing.T) {
			oracle.Tool(t, "find")
			content, records := fstreetest.Committed(t, name)
			image := filepath.Join(t.TempDir(), "disk.img")
			if err := os.WriteFile(image, content, 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("TZ", "UTC")
			dir := mountedImage(t, kind, image)
			if err := os.Symlink(dir, filepath.Join(filepath.Dir(dir), "disk")); err != nil && !os.IsExist(err) {
				t.Fatal(err)
			}
			x := &expressions{oracle.Seed(t), records}
			found := 0
			for range rounds {
				expr := x.actions("disk")
				// The tree's root has no paths that find would begin with a point.
				cmd := inUTF8(t, filepath.Dir(dir), "find", append([]string{"-H", "disk"}, printing0(expr)...)...)
				var theirs, notes bytes.Buffer
				cmd.Stdout, cmd.Stderr = &theirs, &notes
				if err := cmd.Run(); err != nil {
					t.Fatalf("find %q: %v, %s", expr, err, &notes)
				}
				var ours, stderr bytes.Buffer
				code := run(t.Context(), append([]string{"find", "-f", "raw", "-0", image, "disk"}, expr...), nil, &ours, &stderr)
				if code != exitOK || stderr.Len() > 0 {
					t.Fatalf("qed find %q: exit code %d, %s", expr, code, &stderr)
				}
				a, b := ended(ours.String()), ended(theirs.String())
				found += len(b)
				if slices.ContainsFunc(expr, matchedByBytes) {
					a, b = slices.DeleteFunc(a, notASCII), slices.DeleteFunc(b, notASCII)
				}
				if !slices.Equal(a, b) {
					t.Fatalf("%q: %d files, of find %d: %q", expr, len(a), len(b), difference(a, b))
				}
			}
			if found == 0 {
				t.Error("nothing was found")
			}
		})
	}
}

// printing0 has find end paths with a NUL.
func printing0(expr []string) []string {
	if i := slices.Index(expr, "-print"); i >= 0 {
		expr = slices.Clone(expr)
		expr[i] = "-print0"
		return expr
	}
	i := 0
	for i < len(expr) && (expr[i] == "-maxdepth" || expr[i] == "-mindepth") {
		i += 2
	}
	return slices.Concat(expr[:i], []string{"("}, expr[i:], []string{")", "-print0"})
}

// matchedByBytes reports whether fnmatch of glibc 2.36 matches a pattern byte by
// byte in the locale C.UTF-8, so that a question mark is a part of a letter: it
// does where there is a star beside it. Names outside of ASCII are not compared
// then.
func matchedByBytes(pattern string) bool {
	return strings.Contains(pattern, "*") && strings.ContainsAny(pattern, "?[")
}

// notASCII reports whether a path has anything but ASCII in it.
func notASCII(path string) bool {
	return strings.ContainsFunc(path, func(r rune) bool { return r >= 0x80 })
}

func difference(a, b []string) (list []string) {
	for _, s := range a {
		if !slices.Contains(b, s) {
			list = append(list, "+"+s)
		}
	}
	for _, s := range b {
		if !slices.Contains(a, s) {
			list = append(list, "-"+s)
		}
	}
	return list[:min(len(list), 8)]
}

// texts makes files to be searched.
func texts(t *testing.T, rng *rand.Rand, dir string) {
	t.Helper()
	words := []string{"alpha", "beta", "gamma", "größe", "x", "", "Alpha", "a:b", "\t", "日本語", "end\r"}
	for i := range 60 {
		var b bytes.Buffer
		for range rng.IntN(200) {
			for range rng.IntN(8) {
				b.WriteString(words[rng.IntN(len(words))] + " ")
			}
			if rng.IntN(400) == 0 {
				// Lines that come before a NUL in one buffer are not printed, and
				// how large that is grep alone knows: no NUL follows what is long.
				b.WriteString([]string{"\xff", "\x00", strings.Repeat("long ", 100_000)}[max(i%3, rng.IntN(2))])
			}
			b.WriteByte('\n')
		}
		if rng.IntN(2) == 0 {
			b.WriteString("last alpha")
		}
		name := filepath.Join(dir, fmt.Sprintf("d%d", i%7), fmt.Sprintf("file %02d", i))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 { // a hole of some megabytes, with something after it
			if err := os.Truncate(name, 3<<20); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString("\nafter alpha\n"); err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
	}
}

func TestContentIsThatOfGrepOnAKernelMount(t *testing.T) {
	rng := oracle.Seed(t)
	tmp := t.TempDir()
	source, image := filepath.Join(tmp, "source"), filepath.Join(tmp, "disk.img")
	texts(t, rng, source)
	if err := os.Symlink("file 00", filepath.Join(source, "d0", "link")); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "mkfs.ext4", "-q", "-d", source, image, "64M")
	dir := mountedImage(t, "ext4", image)
	for _, expr := range []string{
		"alpha", "alpha|größe", "^$", "^", "$", "a:b", "beta *$", "(?i)alpha", "[[:upper:]]", "^alpha.*gamma", "x x", "long long", "last", "after", "nowhere", "日", ".",
		"^(beta|x) ", "o.+n", "ö", "[^a]b",
	} {
		for _, how := range [][2]string{{"-n", ""}, {"-l", "--files-with-matches"}, {"-L", "--files-without-match"}} {
			pattern, fold := strings.CutPrefix(expr, "(?i)")
			args := []string{"-rHZE", how[0], "-e", pattern, "."}
			if fold {
				args = append(args, "-i")
			}
			grep := inUTF8(t, dir, "grep", args...)
			var theirs, binaries bytes.Buffer
			grep.Stdout, grep.Stderr = &theirs, &binaries
			if err := grep.Run(); err != nil && grep.ProcessState.ExitCode() > 1 {
				t.Fatal(err, &binaries)
			}
			own := []string{"find", "-f", "raw", "-0", image, "disk", "--content", expr}
			if how[1] != "" {
				own = append(own, how[1])
			}
			var ours, notes bytes.Buffer
			if code := run(t.Context(), own, nil, &ours, &notes); code != exitOK {
				t.Errorf("qed %q: exit code %d, %s", own, code, &notes)
			}
			got := strings.ReplaceAll(ours.String(), `disk/`, "./")
			want := strings.ReplaceAll(theirs.String(), "\r", `\x0d`)
			if a, b := sortedLines(got), sortedLines(want); !slices.Equal(a, b) {
				t.Errorf("%q %s: %d lines, of grep %d: %.1000q", expr, how[0], len(a), len(b), difference(a, b))
			}
			a := strings.ReplaceAll(notes.String(), "qed: find: disk/", grep.Path+": ./")
			// What is not UTF-8 is a character for Go's expressions, and none for grep's.
			if how[0] == "-n" && !strings.Contains(expr, ".") && !strings.Contains(expr, "[^") && !slices.Equal(sortedLines(a), sortedLines(binaries.String())) {
				t.Errorf("%q: %q, of grep %q", expr, a, &binaries)
			}
		}
	}
}

func sortedLines(s string) []string {
	sep := "\n"
	if !strings.Contains(s, "\n") {
		sep = "\x00"
	}
	list := strings.Split(s, sep)
	slices.Sort(list)
	return list
}
