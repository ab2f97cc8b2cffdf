package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
	"github.com/qedfs/qedfs/examples/qed/internal/unixmode"
)

// TestListingsForProgramsAreTheKernelsManifests lists committed filesystems
// with a tree of everything that goes wrong.
func TestListingsForProgramsAreTheKernelsManifests(t *testing.T) {
	for _, name := range []string{"ext4-1k", "ext2-4k", "xfs-v5", "btrfs"} {
		t.Run(name, func(t *testing.T) {
			image, records := fstreetest.Committed(t, name)
			file := filepath.Join(t.TempDir(), "disk.img")
			if err := os.WriteFile(file, image, 0o600); err != nil {
				t.Fatal(err)
			}
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), []string{"ls", "-R", "--output", "json", "-f", "raw", file, "disk"}, nil, &stdout, &stderr)
			if code != exitOK || stderr.Len() > 0 {
				t.Errorf("exit code %d, %s", code, &stderr)
			}
			listed := make(map[string]entry)
			for dec := json.NewDecoder(&stdout); dec.More(); {
				var e entry
				if err := dec.Decode(&e); err != nil {
					t.Fatal(err)
				}
				listed[storedIn(t, e.Path, e.PathHex)] = e
			}
			for i := range records {
				r := &records[i]
				if r.Path == "." { // the directory that was asked for
					continue
				}
				path := "disk/" + fstree.UnescapeName(r.Path)
				e, ok := listed[path]
				if !ok {
					t.Errorf("%q is not listed", path)
					continue
				}
				delete(listed, path)
				target := storedIn(t, e.Target, e.TargetHex)
				e.Path, e.PathHex, e.Target, e.TargetHex = "", "", "", ""
				if want := expectedEntry(r); e != want || target != string(r.Target) {
					t.Errorf("%q:\n got %+v %q\nwant %+v %q", path, e, target, want, r.Target)
				}
			}
			for path := range listed {
				t.Errorf("%q should not be listed", path)
			}
		})
	}
}

// storedIn is the stored bytes that a pair of fields stands for.
func storedIn(t *testing.T, text, hexBytes string) string {
	if hexBytes == "" {
		return text
	}
	b, err := hex.DecodeString(hexBytes)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// expectedEntry is what ls says of a file of the manifest, but for its names.
func expectedEntry(r *fstreetest.Record) entry {
	e := entry{
		Type: unixmode.Letter(fstree.UnixMode(r.Mode)), Size: r.Size, Mode: fmt.Sprintf("%04o", r.Mode&0o7777),
		UID: r.UID, GID: r.GID, Nlink: r.Nlink, Ino: r.Ino,
		Mtime: r.Mtime.UTC().Format(time.RFC3339)[:19] + fmt.Sprintf(".%09dZ", r.Mtime.Nanosecond()),
	}
	if e.Type == "b" || e.Type == "c" {
		e.Rdev = fmt.Sprintf("%d:%d", r.Major, r.Minor)
	}
	return e
}

func TestNamesArePrintedSoThatNoTerminalObeysThem(t *testing.T) {
	for name, want := range map[string]string{
		"plain":              "plain",
		"with space":         "with space",
		`back\slash "quote"`: `back\slash "quote"`,
		"grüße/日本語":          "grüße/日本語",
		"it's":               "it's",
		"new\nline":          `$'new\nline'`,
		"it's\ttab":          `$'it\'s\ttab'`,
		"\x1b[31mred":        `$'\x1b[31mred'`,
		"del\x7f":            `$'del\x7f'`,
		"a\u202eb":           `$'a\u202eb'`,
		"c1\u009b31m":        `$'c1\u009b31m'`,
		"\uFFFDFF":           "\uFFFDFF", // an escaped byte
	} {
		if got := show.Name(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

func TestProgramsGetThePathThatTheCommandTakesBack(t *testing.T) {
	for _, c := range []struct{ shown, hex string }{
		{"d/plain", ""},
		{"d/größe", ""},
		{fstree.EscapeName("a\xff"), "61ff"},
		{"d/" + fstree.EscapeName("a/b"), "642f612f62"},
		{"d/" + fstree.EscapeName("a\uFFFDb"), "642f61efbfbd62"},
	} {
		if name, hexBytes := jsonPath(c.shown); name != c.shown || hexBytes != c.hex {
			t.Errorf("%q: %q, %q", c.shown, name, hexBytes)
		}
	}
}
