//go:build !386 && !arm && !mips && !mipsle

package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/qedfile"
)

// faultCase is a command of whose calls to the host each fails once.
type faultCase struct {
	name string
	args []string // DIR is the directory of the files

	// The files that are changed in place: each sector is as before or as
	// after the command. Any other file is one or the other as a whole.
	inPlace []string
}

var faultCases = []faultCase{
	{name: "convert to QED", args: []string{"convert", "-O", "qed", "DIR/top.qed", "DIR/new.qed"}},
	{name: "convert to a raw disk", args: []string{"convert", "-O", "raw", "DIR/top.qed", "DIR/old.raw"}},
	{name: "convert to qcow2", args: []string{"convert", "-O", "qcow2", "DIR/top.qed", "DIR/new.qcow2"}},
	{name: "convert with the host's copying", args: []string{"convert", "-C", "-O", "raw", "DIR/base.qed", "DIR/new.raw"}},
	{name: "convert in place", args: []string{"convert", "-n", "-O", "qed", "DIR/base.qed", "DIR/alone.qed"}, inPlace: []string{"alone.qed"}},
	{name: "create", args: []string{"create", "DIR/alone.qed", "2M"}},
	{name: "create a raw disk", args: []string{"create", "-f", "raw", "-o", "preallocation=falloc", "DIR/new.raw", "2M"}},
	{name: "create a preallocated raw disk", args: []string{"create", "-f", "raw", "-o", "preallocation=full", "DIR/new.raw", "64k"}},
	{name: "create over a backing file", args: []string{"create", "-b", "top.qed", "-F", "qed", "DIR/new.qed"}},
	{name: "compact", args: []string{"compact", "DIR/alone.qed", "DIR/new.qed"}},
	{name: "dump", args: []string{"dump", "DIR/top.qed", "disk", "DIR/old.raw"}},
	{name: "dd", args: []string{"dd", "-O", "raw", "if=DIR/top.qed", "of=DIR/old.raw"}},
	{name: "map", args: []string{"map", "--svg", "DIR/old.svg", "DIR/top.qed"}},
	{name: "commit", args: []string{"commit", "DIR/top.qed"}, inPlace: []string{"base.qed"}},
	{name: "commit and empty", args: []string{"commit", "--empty", "DIR/top.qed"}, inPlace: []string{"base.qed"}},
	{name: "rebase", args: []string{"rebase", "-b", "alone.qed", "-F", "qed", "DIR/top.qed"}},
	{name: "rebase to nothing", args: []string{"rebase", "-b", "", "DIR/top.qed"}},
	{name: "rebase in name only", args: []string{"rebase", "-u", "-b", "same.qed", "-F", "qed", "DIR/top.qed"}},
	{name: "grow", args: []string{"resize", "DIR/top.qed", "2M"}, inPlace: []string{"top.qed"}},
	{name: "shrink", args: []string{"resize", "--shrink", "DIR/alone.qed", "64k"}, inPlace: []string{"alone.qed"}},
	{name: "grow a raw disk", args: []string{"resize", "-f", "raw", "--preallocation", "full", "DIR/old.raw", "+64k"}, inPlace: []string{"old.raw"}},
	{name: "check", args: []string{"check", "-r", "all", "DIR/leaky.qed"}},
	{name: "amend", args: []string{"amend", "-o", "cluster_size=4k", "DIR/top.qed"}},
	{name: "write", args: []string{"io", "-c", "write -P 5 10k 70k", "-c", "write -z 100k 50k", "-c", "discard 200k 30k", "-c", "flush", "DIR/alone.qed"}, inPlace: []string{"alone.qed"}},
	{name: "files", args: []string{"cp", "DIR/guest.disk", "p2/etc", "DIR/out"}},
	{name: "a file over another", args: []string{"cp", "--force", "DIR/guest.disk", "p2/etc/hostname", "DIR/old.svg"}},
	{name: "an archive", args: []string{"tar", "DIR/guest.disk"}},
	{name: "a list of volumes", args: []string{"volumes", "DIR/guest.disk"}},
	{name: "a list of files", args: []string{"ls", "-lR", "DIR/guest.disk"}},
	{name: "a tree", args: []string{"tree", "DIR/guest.disk"}},
	{name: "sizes", args: []string{"du", "-a", "DIR/guest.disk"}},
	{name: "free space", args: []string{"df", "DIR/guest.disk"}},
	{name: "comparison of files", args: []string{"diff", "DIR/guest.disk", "DIR/again.disk"}},
	{name: "comparison of disks", args: []string{"compare", "DIR/guest.disk", "DIR/again.disk"}},
	{name: "what is in the guest", args: []string{"inspect", "DIR/guest.disk"}},
	{name: "information", args: []string{"info", "DIR/top.qed"}},
	{name: "measure", args: []string{"measure", "-O", "qed", "DIR/top.qed"}},
	{name: "copy on read", args: []string{"io", "-C", "-c", "read 0 256k", "DIR/top.qed"}},
}

// faultFiles are the files that the commands work on.
func faultFiles(t *testing.T) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	in := func(name string) string { return filepath.Join(dir, name) }
	fill := func(name string, pieces ...string) {
		args := []string{"io"}
		for _, p := range pieces {
			args = append(args, "-c", "write -q -P "+p)
		}
		ours(t, append(args, in(name))...)
	}
	ours(t, "create", "-q", "-o", "cluster_size=4k,table_size=1", in("base.qed"), "256k")
	fill("base.qed", "1 0 20k", "2 64k 9k", "3 200k 56k")
	ours(t, "create", "-q", "-o", "cluster_size=4k,table_size=1", "-b", "base.qed", "-F", "qed", in("top.qed"))
	fill("top.qed", "4 10k 30k", "6 250k 6k")
	ours(t, "create", "-q", "-o", "cluster_size=4k,table_size=1", in("alone.qed"), "256k")
	fill("alone.qed", "1 0 24k", "7 100k 100k")

	files := make(map[string][]byte)
	for _, name := range []string{"base.qed", "top.qed", "alone.qed"} {
		b, err := os.ReadFile(in(name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = b
	}
	files["same.qed"] = files["base.qed"]
	files["leaky.qed"] = append(slices.Clone(files["alone.qed"]), make([]byte, 8192)...)
	files["leaky.qed"][16] |= 2 // not closed properly
	files["old.raw"] = make([]byte, 128<<10)
	for i := range files["old.raw"] {
		files["old.raw"][i] = byte(rng.Uint32())
	}
	files["old.svg"] = []byte("old")
	disk, err := os.ReadFile("../../testdata/gpt.qed")
	if err != nil {
		t.Fatal(err)
	}
	files["guest.disk"], files["again.disk"] = disk, disk
	return files
}

// seen is what a file shows.
type seen struct {
	content []byte // of the disk, where it is an image
	meta    string
}

// look is what all files of a directory show.
func look(t *testing.T, dir string) map[string]seen {
	t.Helper()
	all := make(map[string]seen)
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		s := seen{meta: info.Mode().String()}
		if strings.HasPrefix(rel, "out") {
			s.meta += info.ModTime().String()
		}
		switch {
		case info.Mode().Type() == fs.ModeSymlink:
			var target string
			target, err = os.Readlink(name)
			s.content = []byte(target)
		case info.Mode().IsRegular():
			s.content, err = diskContent(t, name)
		}
		all[rel] = s
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// diskContent is what an image shows, which must be sound, or the bytes of any
// other file.
func diskContent(t *testing.T, name string) ([]byte, error) {
	t.Helper()
	var disk qedfile.Disk
	var err error
	switch filepath.Ext(name) {
	case ".qed":
		var m *qedfile.Image
		if m, err = qedfile.Open(name, &qedfile.Options{Backing: qedfile.Anywhere(name).Backing}); err != nil {
			return nil, err
		}
		if report, err := m.Check(t.Context(), nil); err != nil || report.Corruptions > 0 || report.CheckErrors > 0 {
			t.Errorf("%s: %+v (%v)", name, report, err)
		}
		disk = m
	case ".qcow2":
		if disk, err = images.Open(name, nil); err != nil {
			return nil, err
		}
	default:
		return os.ReadFile(name)
	}
	defer disk.Close()
	b := make([]byte, disk.Size())
	_, err = disk.ReadAt(b, 0)
	return b, err
}

// faultRun is one run of a command.
type faultRun struct {
	failed         string // the call that did, or ""
	code           int
	stdout, stderr string
	before, after  map[string]seen
}

// faultBench runs a command again and again, each time in a new directory.
type faultBench struct {
	files          map[string][]byte
	args           []string
	under, mounted string
	faults         *faultFS
	runs           int
}

// needs reports whether the command works on a file, or on one above it.
func (b *faultBench) needs(name string) bool {
	line := strings.Join(b.args, " ")
	return strings.Contains(line, name) || name == "base.qed" && strings.Contains(line, "top.qed")
}

// run runs the command and makes the n-th call fail.
func (b *faultBench) run(t *testing.T, n int, status fuse.Status) faultRun {
	t.Helper()
	b.runs++
	name := fmt.Sprint(b.runs)
	dir := filepath.Join(b.under, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range b.files {
		if !b.needs(name) {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var r faultRun
	r.before = look(t, dir)
	place := filepath.Join(b.mounted, name)
	var args []string
	for _, a := range b.args {
		args = append(args, strings.ReplaceAll(a, "DIR", place))
	}
	var stdout, stderr bytes.Buffer
	b.faults.arm(n, status)
	r.code = run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	r.failed = b.faults.fired()
	b.faults.arm(0, fuse.OK)
	r.stdout, r.stderr = strings.ReplaceAll(stdout.String(), place, "DIR"), strings.ReplaceAll(stderr.String(), place, "DIR")
	r.after = look(t, dir)
	for name, s := range r.after {
		s.content = bytes.ReplaceAll(s.content, []byte(place), []byte("DIR"))
		r.after[name] = s
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	return r
}

// mayFail are the calls without which a command does its work all the same.
var mayFail = map[string]bool{
	"read": true, "lseek": true, "copy_file_range": true, "fallocate": true, "attributes": true, "close": true,
	"open": true, "unlink": true, "link": true,
}

// TestEachFaultOfTheHostIsTold runs every command that writes, while one call
// to the host fails: each of them in turn.
func TestEachFaultOfTheHostIsTold(t *testing.T) {
	files := faultFiles(t)
	for _, c := range faultCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := &faultBench{files: files, args: c.args, under: t.TempDir()}
			b.faults, b.mounted = mountFaults(t, b.under)
			good := b.run(t, 0, fuse.OK)
			if good.code != exitOK && c.name != "amend" {
				t.Fatalf("exit code %d: %s", good.code, good.stderr)
			}
			for n := 1; ; n++ {
				r := b.run(t, n, fuse.EIO)
				if r.failed == "" {
					if n < 5 {
						t.Errorf("only %d calls", n-1)
					}
					break
				}
				judgeFault(t, fmt.Sprintf("call %d, %s: %s", n, r.failed, r.stderr), &c, &good, &r)
			}
		})
	}
}

// judgeFault holds a run of which a call failed against one without.
func judgeFault(t *testing.T, what string, c *faultCase, good, r *faultRun) {
	t.Helper()
	switch {
	case r.code != exitOK && r.stderr == "" && r.stdout == good.stdout:
		t.Errorf("%s: exit code %d without a word", what, r.code)
	case r.code == good.code && !mayFail[r.failed]:
		t.Errorf("%s: exit code %d", what, r.code)
	case r.code == good.code && (r.stdout != good.stdout || !maps.EqualFunc(r.after, good.after, seen.equal)):
		t.Errorf("%s: exit code %d, but what is written differs", what, r.code)
	}
	for name, is := range r.after {
		was, had := r.before[name]
		whole, has := good.after[name]
		switch {
		case had && bytes.Equal(is.content, was.content), has && bytes.Equal(is.content, whole.content):
		case slices.Contains(c.inPlace, name):
			eitherSectors(t, what+": "+name, is.content, was.content, whole.content)
		case had || has:
			t.Errorf("%s: %s is neither as before nor whole", what, name)
		case r.failed != "unlink" || !strings.Contains(r.stderr, name):
			t.Errorf("%s: %s is left behind", what, name)
		}
	}
	for name := range r.before {
		if _, ok := r.after[name]; !ok {
			t.Errorf("%s: %s is gone", what, name)
		}
	}
}

func (s seen) equal(o seen) bool { return s.meta == o.meta && bytes.Equal(s.content, o.content) }

// eitherSectors checks that a disk has the size of before or of after, and that
// each of its sectors is as in one of them, or as in none where it was beyond
// the end.
func eitherSectors(t *testing.T, what string, got, before, after []byte) {
	t.Helper()
	if len(got) < min(len(before), len(after)) || len(got) > max(len(before), len(after)) {
		t.Errorf("%s: %d bytes, neither %d nor %d", what, len(got), len(before), len(after))
	}
	for at := 0; at < len(got); at += 512 {
		sector := func(b []byte) []byte { return b[min(at, len(b)):min(at+512, len(b), len(got))] }
		if s := sector(got); !bytes.Equal(s, sector(before)) && !bytes.Equal(s, sector(after)) {
			t.Errorf("%s: the sector at %d is neither the old nor the new one", what, at)
			return
		}
	}
}
