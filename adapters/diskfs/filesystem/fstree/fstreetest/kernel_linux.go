package fstreetest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// prefill is what a device holds before mkfs, so that a hole which is read
// from the disk shows.
const prefill = 0xA5

// build makes a configuration's filesystem and asks the oracle what is in it.
func build(tb testing.TB, c Config) (image string, records []Record) {
	tb.Helper()
	oracle.Root(tb)
	tmp := tb.TempDir()
	image = filepath.Join(tmp, "image")
	if err := makeDevice(image, c.Size); err != nil {
		tb.Fatal(err)
	}
	source := filepath.Join(tmp, "source")
	if c.Populated {
		if err := os.Mkdir(source, 0o755); err != nil {
			tb.Fatal(err)
		}
		if c.LostFound {
			if err := os.Mkdir(filepath.Join(source, "lost+found"), 0o700); err != nil {
				tb.Fatal(err)
			}
		}
		c.fill(tb, source)
	}
	mkfs(tb, c, image, source)
	switch {
	case c.Populated && c.Mounted:
		mnt := mount(tb, image, c.Mount, readOnly(c.ReadOpts))
		defer unmount(tb, mnt)
		return image, Manifest(tb, mnt)
	case c.Populated:
		return image, Manifest(tb, source)
	}
	mnt := mount(tb, image, c.Mount, c.Opts)
	c.fill(tb, mnt)
	if c.Crash != nil {
		oracle.Run(tb, "sync", "-f", mnt)
		c.Crash(tb, mnt)
		crashed := filepath.Join(tmp, "crashed")
		oracle.Run(tb, "cp", "--sparse=always", image, crashed)
		unmount(tb, mnt)
		oracle.Run(tb, "cp", "--sparse=always", crashed, image)
		unmount(tb, mount(tb, image, c.Mount, c.ReadOpts)) // recovers the copy
		mnt = mount(tb, image, c.Mount, readOnly(c.ReadOpts))
		image = crashed
	} else {
		unmount(tb, mnt)
		mnt = mount(tb, image, c.Mount, readOnly(c.ReadOpts))
	}
	records = Manifest(tb, mnt)
	unmount(tb, mnt)
	return image, records
}

func (c Config) fill(tb testing.TB, dir string) {
	tb.Helper()
	if c.Fill != nil {
		c.Fill(tb, dir)
		return
	}
	tree := c.Tree
	if c.Populated && tree.LargestXattr == 0 {
		// The source may lie on a filesystem that takes more, as tmpfs does.
		tree.LargestXattr = 3000
	}
	tree.Fill(tb, dir)
}

func readOnly(opts string) string {
	if opts == "" {
		return "ro"
	}
	return "ro," + opts
}

func makeDevice(name string, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = prefill
	}
	for n := size; n > 0; n -= int64(len(block)) {
		if _, err := f.Write(block[:min(n, int64(len(block)))]); err != nil {
			return err
		}
	}
	return f.Close()
}

func mkfs(tb testing.TB, c Config, image, source string) {
	tb.Helper()
	if len(c.Mkfs) > 0 {
		c.runMkfs(tb, image, source)
	}
	if c.Make != nil {
		c.Make(tb, image, source)
	}
}

func (c Config) runMkfs(tb testing.TB, image, source string) {
	tb.Helper()
	args := append([]string{}, c.Mkfs[1:]...)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "DIR", source)
	}
	cmd := exec.Command(oracle.Tool(tb, c.Mkfs[0]), append(args, image)...)
	cmd.Env = append(os.Environ(), c.Env...)
	oracle.Output(tb, cmd)
}

// mount mounts an image and has the test unmount it in the end, however it
// ends.
func mount(tb testing.TB, image, kind, opts string) string {
	tb.Helper()
	dir := tb.TempDir()
	o := "loop"
	if opts != "" {
		o += "," + opts
	}
	oracle.Run(tb, "mount", "-t", kind, "-o", o, image, dir)
	tb.Cleanup(func() { _ = exec.Command("umount", dir).Run() })
	return dir
}

func unmount(tb testing.TB, dir string) {
	tb.Helper()
	oracle.Run(tb, "umount", dir)
}

// Build makes a configuration's filesystem and returns an open image of it
// with what the kernel says is inside, for tests that [Run] does not cover.
func Build(tb testing.TB, c Config) (io.ReaderAt, []Record) {
	tb.Helper()
	image, records := build(tb, c)
	f, err := os.Open(image)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	return f, records
}

// Manifest writes down what the kernel shows of a mounted tree.
func Manifest(tb testing.TB, root string) []Record {
	tb.Helper()
	var records []Record
	err := filepath.WalkDir(root, func(name string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		r, err := record(root, name)
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		records = append(records, r)
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return records
}
