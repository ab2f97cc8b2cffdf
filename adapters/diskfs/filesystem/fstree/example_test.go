package fstree_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// exampleTree is a filesystem with etc/os-release and a link to it.
func exampleTree() *fstree.FS {
	m := newMemory()
	etc := m.put(m.Root(), "etc", fs.ModeDir|0o755, "")
	m.put(etc, "os-release", 0o644, "NAME=Debian\n")
	m.put(m.Root(), "release", fs.ModeSymlink|0o777, "/etc/os-release")
	return fstree.New(m) // m is an Engine
}

func ExampleFS() {
	fsys := exampleTree()
	b, err := fs.ReadFile(fsys, "release")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", b)
	target, err := fsys.ReadLink("release")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(target)
	// Output:
	// NAME=Debian
	// /etc/os-release
}

func ExampleFS_Walk() {
	for e, err := range exampleTree().Walk(context.Background(), ".", nil) {
		if err != nil {
			log.Print(err) // and the walk goes on
			continue
		}
		st, err := e.Stat()
		if err != nil {
			log.Print(err)
			continue
		}
		fmt.Println(st.Mode, st.Size, e.Path)
	}
	// Output:
	// drwxr-xr-x 0 .
	// drwxr-xr-x 0 etc
	// -rw-r--r-- 12 etc/os-release
	// Lrwxrwxrwx 15 release
}

func ExampleStat() {
	info, err := exampleTree().Lstat("release")
	if err != nil {
		log.Fatal(err)
	}
	st := info.Sys().(*fstree.Stat)
	xattrs, err := st.Xattrs()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(st.Ino, st.Nlink, st.UID, len(xattrs))
	// Output: 3 1 0 0
}

func ExampleCache() {
	volume := bytes.NewReader([]byte("superblock and all that follows it"))
	c := fstree.NewCache(volume, volume.Size(), 0)
	b, err := c.Bytes(0, 10)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, %d read\n", b, c.Stats().Reads)
	// Output: superblock, 1 read
}

func ExampleEscapeName() {
	shown := fstree.EscapeName("caf\xe9/menu")
	fmt.Println(fs.ValidPath(shown), fstree.UnescapeName(shown) == "caf\xe9/menu")
	// Output: true true
}

func ExampleFile() {
	m := newMemory()
	id := m.put(m.Root(), "disk.raw", 0o644, "data")
	m.nodes[id.Ino].stat.Size = 1 << 30 // the rest is a hole
	f, err := fstree.New(m).Open("disk.raw")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	for run, err := range f.(fstree.File).Extents(0, 1<<30) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(run.Start, run.Length, run.Hole)
	}
	// Output:
	// 0 4 false
	// 4 1073741820 true
}

func ExampleDamageError() {
	m := newMemory()
	m.put(m.Root(), "fine", 0o644, "")
	m.nodes[0].broken = &fstree.DamageError{FS: "memfs", Structure: "leaf of inode 2", Block: 7, Why: "wrong checksum"}
	entries, err := fstree.New(m).ReadDir(".")
	fmt.Println(len(entries), errors.Is(err, fstree.ErrDamaged))
	fmt.Println(err)
	// Output:
	// 1 true
	// readdir .: memfs: damaged leaf of inode 2 in block 7: wrong checksum
}

func ExampleWalkEntry_Open() {
	for e, err := range exampleTree().Walk(context.Background(), "etc", nil) {
		if err != nil || !e.Type().IsRegular() {
			continue
		}
		f, err := e.Open()
		if err != nil {
			log.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err != nil {
			log.Fatal(err)
		}
		_ = f.Close()
		fmt.Printf("%s: %s", e.Path, b)
	}
	// Output: etc/os-release: NAME=Debian
}
