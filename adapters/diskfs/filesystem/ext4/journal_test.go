package ext4_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ext4"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// crashed makes a configuration whose journal has to be replayed.
func crashed(c fstreetest.Config) fstreetest.Config {
	c.Tree = fstreetest.Tree{Entries: 20, Plain: true}
	c.Crash = crash
	return c
}

// crash changes a tree by several transactions that are in the journal alone:
// files made, grown, renamed and removed, directories removed so that their
// blocks are revoked and used again for files, contents that look like the
// journal's own blocks; and in the end something that is in no transaction.
func crash(tb testing.TB, dir string) {
	tb.Helper()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	path := func(elem ...any) string { return filepath.Join(dir, fmt.Sprint(elem...)) }
	magic := binary.BigEndian.AppendUint32(nil, 0xC03B3998)
	for round := range 6 {
		must(os.Mkdir(path("crash ", round), 0o755))
		for i := range 60 {
			body := bytes.Repeat(append(magic, byte(round), byte(i), 0, 0), 1+i*20)
			must(os.WriteFile(path("crash ", round, "/a file with a long name, number ", i), body, 0o644))
		}
		if round > 0 {
			must(os.RemoveAll(path("crash ", round-1)))
		}
		oracle.Run(tb, "sync", "-f", dir)
		body := bytes.Repeat(append(magic, byte(round)), 12000)
		must(os.WriteFile(path("file ", round), body, 0o600))
		must(os.Symlink("file", path("link ", round)))
		if round > 1 {
			must(os.Rename(path("file ", round-1), path("renamed ", round-1)))
			must(os.Truncate(path("renamed ", round-1), int64(1000*round)))
		}
		oracle.Run(tb, "sync", "-f", dir)
	}
	must(os.WriteFile(path("lost"), []byte("in no transaction"), 0o600))
}

var crashes = []fstreetest.Config{
	crashed(config("crash-ext3-1k", 8*mib, "-t", "ext3", "-b", "1024", "-I", "128")),
	crashed(config("crash-ext3-4k", 16*mib, "-t", "ext3", "-b", "4096")),
	crashed(config("crash-ext4-1k", 8*mib, "-t", "ext4", "-b", "1024")),
	crashed(config("crash-ext4-4k", 16*mib, "-t", "ext4", "-b", "4096")),
	crashed(config("crash-ext4-no-64bit", 8*mib, "-t", "ext4", "-b", "1024", "-O", "^64bit")),
	crashed(config("crash-ext4-no-csum", 8*mib, "-t", "ext4", "-b", "1024", "-O", "^metadata_csum")),
	crashed(mounted(config("crash-ext4-csum-v1", 8*mib, "-t", "ext4", "-b", "1024", "-O", "^metadata_csum"), "journal_checksum")),
	crashed(mounted(config("crash-ext4-async", 8*mib, "-t", "ext4", "-b", "1024"), "data=writeback,journal_async_commit")),
	crashed(mounted(config("crash-ext4-async-v1", 8*mib, "-t", "ext4", "-b", "1024", "-O", "^metadata_csum"), "data=writeback,journal_async_commit")),
	crashed(mounted(config("crash-ext4-data-journal", 12*mib, "-t", "ext4", "-b", "1024"), "data=journal")),
	crashed(mounted(config("crash-ext3-data-journal", 16*mib, "-t", "ext3", "-b", "4096"), "data=journal")),
	crashed(config("crash-ext4-orphan-file", 8*mib, "-t", "ext4", "-b", "1024", "-O", "orphan_file")),
}

// fastCrashed makes a configuration whose last changes are in fast commits.
func fastCrashed(c fstreetest.Config) fstreetest.Config {
	c.Tree = fstreetest.Tree{Entries: 20, Plain: true}
	c.Crash = fastCrash
	// The kernel counts blocks anew when it replays, and gives changed
	// directories the time of the replay.
	c.Skip = fstreetest.SkipBlocks
	c.SkipAt = func(r *fstreetest.Record) fstreetest.Skip {
		if fstree.UnixMode(r.Mode).IsDir() {
			return fstreetest.SkipMtime | fstreetest.SkipCtime
		}
		return 0
	}
	return c
}

// fastCrash changes files one by one and syncs each for itself, which the
// kernel does by fast commits.
func fastCrash(tb testing.TB, dir string) {
	tb.Helper()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	change := func(name string, flags int, do func(f *os.File) error) {
		f, err := os.OpenFile(path(name), flags, 0o640)
		must(err)
		defer f.Close()
		must(do(f))
		must(f.Sync())
	}
	write := func(n int, off int64) func(f *os.File) error {
		return func(f *os.File) error {
			_, err := f.WriteAt(bytes.Repeat([]byte{byte(n), byte(off)}, n), off)
			return err
		}
	}
	for i := range 5 {
		change(fmt.Sprint("new ", i), os.O_CREATE|os.O_WRONLY, write(1000*(i+1), 0))
	}
	change("sizes/65536.bin", os.O_WRONLY, write(5000, 90000))
	change("sizes/12345.bin", os.O_WRONLY, func(f *os.File) error { return f.Truncate(3000) })
	change("sizes/200000.bin", os.O_WRONLY, write(3000, 100))
	must(os.Remove(path("sizes/4097.bin")))
	must(os.Link(path("sizes/512.bin"), path("sizes/linked")))
	change("sizes/512.bin", os.O_WRONLY, write(10, 2000))
	must(os.Rename(path("new 1"), path("renamed")))
	change("renamed", os.O_WRONLY, write(10, 9000))
}

var fastCrashes = []fstreetest.Config{
	fastCrashed(config("crash-ext4-fast-1k", 12*mib, "-t", "ext4", "-b", "1024", "-O", "fast_commit", "-J", "size=4,fast_commit_size=256")),
	fastCrashed(config("crash-ext4-fast-4k", 24*mib, "-t", "ext4", "-b", "4096", "-O", "fast_commit", "-J", "size=8")),
}

func TestTreeEqualsTheKernelsAfterFastCommits(t *testing.T) { fstreetest.Run(t, fastCrashes, open) }

func TestTreeEqualsTheKernelsAfterACrash(t *testing.T) { fstreetest.Run(t, crashes, open) }

// Without this, a crash that left nothing in the journal would go unnoticed.
func TestCrashedImagesAreReplayed(t *testing.T) {
	for _, c := range slices.Concat(crashes, fastCrashes) {
		image := fstreetest.Image(t, c.Name)
		vol, err := ext4.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		info := vol.Info()
		if !info.Dirty || len(info.Notes) != 1 || !strings.Contains(info.Notes[0], "replayed in memory") {
			t.Errorf("%s: dirty %v, notes %q", c.Name, info.Dirty, info.Notes)
		}
		if fast := strings.Contains(c.Name, "fast"); fast != strings.Contains(info.Notes[0], "fast commits") {
			t.Errorf("%s: notes %q", c.Name, info.Notes)
		}
	}
}
