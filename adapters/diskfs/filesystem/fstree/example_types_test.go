package fstree_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// A reader of a filesystem knows identities, and nothing of paths.
func ExampleEngine() {
	m := newMemory()
	m.put(m.Root(), "etc", fs.ModeDir|0o755, "")
	var e fstree.Engine = m
	for entry, err := range e.ReadDir(e.Root()) {
		if err != nil {
			log.Fatal(err)
		}
		st, err := e.Stat(entry.ID)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(entry.Name, entry.Type == fs.ModeDir, st.Mode)
	}
	fsys, err := fstree.Open(e) // and now it has paths
	if err != nil {
		log.Fatal(err)
	}
	info, err := fsys.Stat("etc")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Name(), info.IsDir())
	// Output:
	// etc true drwxr-xr-x
	// etc true
}

// An entry says what it leads to, and mostly of what type that is.
func ExampleEntry() {
	m := newMemory()
	m.put(m.Root(), "notes", 0o644, "text")
	var entry fstree.Entry
	entry, err := m.Lookup(m.Root(), "notes")
	if err != nil {
		log.Fatal(err)
	}
	var id fstree.ID = entry.ID
	content, err := m.Open(id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(entry.Name, entry.Type.IsRegular(), content.Size())
	// Output: notes true 4
}

func ExampleContent() {
	m := newMemory()
	id := m.put(m.Root(), "disk.raw", 0o644, "data")
	m.nodes[id.Ino].stat.Size = 1 << 20 // the rest is a hole
	var c fstree.Content
	c, err := m.Open(id)
	if err != nil {
		log.Fatal(err)
	}
	var e fstree.Extent
	for e, err = range c.Extents(0, c.Size()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Start, e.Length, e.Hole)
	}
	// Output:
	// 0 4 false
	// 4 1048572 true
}

func ExampleCacheStats() {
	volume := bytes.NewReader(make([]byte, 1<<20))
	c := fstree.NewCache(volume, volume.Size(), 0)
	var before, after fstree.CacheStats
	if _, err := c.Bytes(0, 512); err != nil {
		log.Fatal(err)
	}
	before = c.Stats()
	if _, err := c.Bytes(1024, 512); err != nil { // in the same piece
		log.Fatal(err)
	}
	after = c.Stats()
	fmt.Println(after.Reads-before.Reads, after.Evictions)
	// Output: 0 0
}

func ExampleInfo() {
	var info fstree.Info = exampleTree().Info()
	fmt.Printf("%s labelled %q, %d notes\n", info.Type, info.Label, len(info.Notes))
	// Output: memfs labelled "test", 0 notes
}

// Files with several names have one identity.
func ExampleFileID() {
	m := newMemory()
	id := m.put(m.Root(), "one", 0o644, "")
	m.link(m.Root(), "two", id)
	seen := map[fstree.FileID]string{}
	for e, err := range fstree.New(m).Walk(context.Background(), ".", nil) {
		if err != nil {
			log.Fatal(err)
		}
		if first, ok := seen[e.FileID()]; ok {
			fmt.Println(e.Path, "is", first)
		}
		seen[e.FileID()] = e.Path
	}
	// Output: two is one
}

// What only some kinds of filesystem have is found by As.
func ExampleAs() {
	fsys := exampleTree()
	_, streams := fstree.As[fstree.Streams](fsys)
	_, counts := fstree.As[fstree.SubdirCounter](fsys)
	fmt.Println(streams, counts) // the engine in memory has neither
	// Output: false false
}

// A program that walks takes a Walker: a filesystem, or a disk of several.
func ExampleWalker() {
	size := func(tree fstree.Walker, root string) (n int64, err error) {
		for e, problem := range tree.Walk(context.Background(), root, &fstree.WalkOptions{Stat: true}) {
			if problem != nil {
				err = errors.Join(err, problem)
				continue
			}
			st, problem := e.Stat()
			if problem != nil {
				err = errors.Join(err, problem)
				continue
			}
			if st.Mode.IsRegular() {
				n += st.Size
			}
		}
		return n, err
	}
	fmt.Println(size(exampleTree(), "."))
	// Output: 12 <nil>
}

// A Placer tells where it will read, so that a volume far away is fetched ahead.
func ExamplePlacer() {
	_, places := fstree.As[fstree.Placer](exampleTree())
	fmt.Println(places) // the engine in memory reads no volume
	// Output: false
}
