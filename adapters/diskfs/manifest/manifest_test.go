package manifest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ext4"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/manifest"
)

// tree is a committed filesystem with everything that goes wrong.
func tree(t *testing.T, damage func([]byte)) (*fstree.FS, []fstreetest.Record) {
	t.Helper()
	image, records := fstreetest.Committed(t, "ext4-1k")
	if damage != nil {
		image = bytes.Clone(image)
		damage(image)
	}
	fsys, err := ext4.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	return fsys, records
}

func TestEveryFileIsListedInTheOrderOfAWalk(t *testing.T) {
	fsys, records := tree(t, nil)
	var walked, listed []string
	for e, err := range fsys.Walk(t.Context(), ".", nil) {
		if err != nil {
			t.Fatal(err)
		}
		walked = append(walked, e.Path)
	}
	var last, most int64
	opts := &manifest.Options{Hash: sha256.New, Progress: func(n int64) {
		if n <= last {
			t.Errorf("%d bytes after %d", n, last)
		}
		last = n
	}}
	for e, err := range manifest.Files(t.Context(), fsys, ".", opts) {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, e.Path)
		if (e.Sum != nil) != e.Stat.Mode.IsRegular() {
			t.Errorf("%s: sum %x", e.Path, e.Sum)
		}
		if e.Stat.Mode.IsRegular() {
			most += e.Stat.Size
		}
		if target, _ := fsys.ReadLink(e.Path); target != e.Target {
			t.Errorf("%s: target %q, want %q", e.Path, e.Target, target)
		}
	}
	if !slices.Equal(listed, walked) || len(listed) != len(records) {
		t.Errorf("%d files are listed, %d walked", len(listed), len(walked))
	}
	if last == 0 || last > most {
		t.Errorf("%d bytes were read of %d", last, most)
	}
}

func TestALinkIsFollowedWhereThatIsAskedFor(t *testing.T) {
	fsys, _ := tree(t, nil)
	for _, follow := range []bool{false, true} {
		for e, err := range manifest.Files(t.Context(), fsys, "links/short", &manifest.Options{Hash: sha256.New, Follow: follow}) {
			if err != nil || e.Path != "links/short" || e.Stat.Mode.IsRegular() != follow && (e.Target != "") == follow {
				t.Errorf("follow %v: %+v, %v", follow, e, err)
			}
			break
		}
	}
	for e, err := range manifest.Files(t.Context(), fsys, "nowhere", nil) {
		if e.Path != "nowhere" || !errors.Is(err, fs.ErrNotExist) {
			t.Error(e, err)
		}
	}
}

// badHash refuses every write.
type badHash struct{ hash.Hash }

var errBad = errors.New("bad")

func (badHash) Write([]byte) (int, error) { return 0, errBad }

func TestWhatCannotBeReadIsAnErrorInItsPlace(t *testing.T) {
	fsys, _ := tree(t, nil)
	failed, whole := 0, 0
	for e, err := range manifest.Files(t.Context(), fsys, "sizes", &manifest.Options{Hash: func() hash.Hash { return badHash{sha256.New()} }}) {
		var pe *fs.PathError
		switch {
		case err == nil:
			whole++ // the directory, and what is empty
		case !errors.Is(err, errBad), !errors.As(err, &pe), pe.Path != e.Path, e.Sum != nil:
			t.Error(e.Path, err)
		default:
			failed++
		}
	}
	if failed < 5 || whole == 0 {
		t.Errorf("%d files fail, %d do not", failed, whole)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for _, err := range manifest.Files(ctx, fsys, ".", nil) {
		if n++; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if n != 1 {
		t.Errorf("%d entries after the end", n)
	}
}

func TestNamesAreEscapedForEachReader(t *testing.T) {
	sum := binary.BigEndian.AppendUint32(nil, 0xdeadbeef)
	for name, want := range map[string]string{
		"plain":      "deadbeef  plain",
		"a b":        "deadbeef  a b",
		"a\nb":       `\deadbeef  a\nb`,
		"a\rb":       `\deadbeef  a\rb`,
		`a\b`:        `\deadbeef  a\\b`,
		"a\uFFFDFFb": "deadbeef  a\xffb",
	} {
		if got := manifest.SumLine(name, sum); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if got := manifest.TagLine("MD5", "a\nb", sum); got != `\MD5 (a\nb) = deadbeef` {
		t.Error(got)
	}
	at := time.Unix(1700000000, 123456789)
	st := &fstree.Stat{Ino: 7, Mode: 0o4640 | fs.ModeSetuid, Nlink: 2, UID: 1, GID: 3, Size: 5, Mtime: at, Atime: at.Add(time.Second)}
	e := &manifest.Entry{Stat: st, Sum: sum}
	st.Mode = 0o640 | fs.ModeSetuid
	for got, want := range map[string]string{
		manifest.MtreeLine(e, "a b#=*?[\\\n\xff", "md5digest"): `./a\040b\043\075\052\077\133\134\012\377 type=file mode=4640 uid=1 gid=3 nlink=2 time=1700000000.123456789 size=5 md5digest=deadbeef`,
		manifest.MtreeLine(e, ".", "x"):                        `. type=file mode=4640 uid=1 gid=3 nlink=2 time=1700000000.123456789 size=5 x=deadbeef`,
		manifest.BodyLine(e, "/a|b\nc"):                        `deadbeef|/a^b^c|7|r/rrwSr-----|1|3|5|1700000001|1700000000|0|0`,
	} {
		if got != want {
			t.Errorf("%s\n%s", got, want)
		}
	}
	for mode, want := range map[fs.FileMode]string{
		fs.ModeDir | 0o755 | fs.ModeSticky:        " type=dir mode=1755 d/drwxr-xr-t",
		fs.ModeSymlink | 0o777:                    " type=link mode=0777 l/lrwxrwxrwx",
		fs.ModeNamedPipe | 0o600:                  " type=fifo mode=0600 p/prw-------",
		fs.ModeSocket | 0o600:                     " type=socket mode=0600 s/hrw-------",
		fs.ModeDevice | 0o600:                     " type=block mode=0600 b/brw-------",
		fs.ModeDevice | fs.ModeCharDevice | 0o020: " type=char mode=0020 c/c----w----",
		0o711 | fs.ModeSetgid:                     " type=file mode=2711 r/rrwx--s--x",
	} {
		e := &manifest.Entry{Stat: &fstree.Stat{Mode: mode, Major: 8, Minor: 1}, Target: "a b"}
		line, body := manifest.MtreeLine(e, "x", ""), manifest.BodyLine(e, "x")
		types := strings.Join(strings.Fields(want)[:2], " ")
		if !strings.Contains(line, " "+types+" ") || !strings.Contains(body, "|"+strings.Fields(want)[2]+"|") {
			t.Errorf("%v: %s, %s, want %s", mode, line, body, want)
		}
		if link := mode.Type() == fs.ModeSymlink; link != strings.Contains(line, ` link=a\040b`) || link != strings.Contains(body, "|x -> a b|") {
			t.Errorf("%v: %s, %s", mode, line, body)
		}
		if device := mode&fs.ModeDevice != 0; device != strings.Contains(line, " device=native,8,1") {
			t.Errorf("%v: %s", mode, line)
		}
	}
}

func TestRelative(t *testing.T) {
	for _, c := range [][3]string{{".", "a/b", "a/b"}, {".", ".", "."}, {"a", "a", "."}, {"a", "a/b/c", "b/c"}, {"/", "/etc", "etc"}, {"/etc", "/etc/x", "x"}} {
		if got := manifest.Relative(c[0], c[1]); got != c[2] {
			t.Errorf("%q below %q is %q, want %q", c[1], c[0], got, c[2])
		}
	}
}
