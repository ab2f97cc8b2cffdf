package fstreetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// What reading a damaged image may cost: see [Mutate].
const (
	mutants     = 60 // 500 with CI_LONG=1, 10 with -short
	timeLimit   = 5 * time.Second
	memoryLimit = 256 << 20
	mutantRead  = 1 << 20 // bytes read of each file of a damaged image
)

// Mutate damages a committed image at random, many times over, and lists and
// reads all of it each time. Whatever the damage, the reader must come back
// with what it can read and errors for the rest: without a panic, within five
// seconds, within 256 MiB. The outcomes are counted in the test's log.
func Mutate(t *testing.T, name string, open Opener) {
	image := Image(t, name)
	rng := oracle.Seed(t)
	spots := interesting(image)
	n := mutants
	switch {
	case testing.Short():
		n = 10
	case oracle.Long():
		n = 500
	}
	var refused, damaged, intact int
	for i := range n {
		m := mutate(rng, image, spots)
		w := walker{limit: len(image)}
		watch(t, fmt.Sprintf("mutant %d of %s: %v", i, name, m.patches), func() {
			fsys, err := open(m, int64(len(image)))
			if err != nil {
				refused++
				return
			}
			w.walk(fsys, ".", 0)
		})
		switch {
		case w.failure != "":
			t.Fatalf("mutant %d %v: %s", i, m.patches, w.failure)
		case w.errors > 0:
			damaged++
		case w.files > 0:
			intact++
		}
	}
	t.Logf("of %d mutants %d were refused, %d read with errors, %d read without", n, refused, damaged, intact)
}

// watch runs f and ends the test if it takes too long or too much memory.
func watch(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan any, 1)
	before := heap()
	limit := timeLimit
	if raceEnabled {
		limit *= 10
	}
	go func() {
		defer func() { done <- recover() }()
		f()
	}()
	deadline := time.After(limit)
	for {
		select {
		case p := <-done:
			if p != nil {
				t.Fatalf("%s: panic: %v", what, p)
			}
			return
		case <-deadline:
			stacks := make([]byte, 64<<10)
			t.Fatalf("%s: not done within %v\n%s", what, limit, stacks[:runtime.Stack(stacks, true)])
		case <-time.After(5 * time.Millisecond):
			if grown := int64(heap()) - int64(before); grown > memoryLimit {
				t.Fatalf("%s: %d MiB of memory", what, grown>>20)
			}
		}
	}
}

func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// mutant is an image with a few ranges replaced.
type mutant struct {
	image   []byte
	patches []patch
}

type patch struct {
	off  int64
	data []byte
}

func (m mutant) ReadAt(p []byte, off int64) (int, error) {
	n, err := bytes.NewReader(m.image).ReadAt(p, off)
	for _, patch := range m.patches {
		start, end := max(off, patch.off), min(off+int64(n), patch.off+int64(len(patch.data)))
		if start < end {
			copy(p[start-off:end-off], patch.data[start-patch.off:])
		}
	}
	return n, err
}

// interesting returns the offsets of the 64-byte pieces that are not all one
// byte: damage elsewhere mostly goes unseen.
func interesting(image []byte) []int64 {
	const piece = 64
	var spots []int64
	for off := 0; off+piece <= len(image); off += piece {
		b := image[off : off+piece]
		if bytes.Count(b, b[:1]) != piece {
			spots = append(spots, int64(off))
		}
	}
	return spots
}

func mutate(rng *rand.Rand, image []byte, spots []int64) mutant {
	m := mutant{image: image}
	for range 1 + rng.IntN(8) {
		off := spots[rng.IntN(len(spots))] + rng.Int64N(64)
		// Superblocks and tables are few and data is much: half of all
		// damage goes to the beginning.
		if rng.IntN(2) == 0 {
			off = spots[rng.IntN(max(1, len(spots)/20))] + rng.Int64N(64)
		}
		data := make([]byte, 1<<rng.IntN(4))
		if fill := rng.IntN(5); fill < 2 {
			for i := range data {
				data[i] = byte(-fill) // all zeroes or all ones
			}
		} else {
			for i := range data {
				data[i] = byte(rng.Uint32())
			}
		}
		m.patches = append(m.patches, patch{off &^ int64(len(data)-1), data})
	}
	return m
}

// walker reads a whole tree as long as it stays within what an image of its
// size can hold.
type walker struct {
	limit         int // entries
	files, errors int
	failure       string
}

func (w *walker) walk(fsys fs.FS, name string, depth int) {
	if depth > 1000 {
		w.failure = fmt.Sprintf("directories deeper than the image can hold: %.200s", name)
	}
	entries, err := fs.ReadDir(fsys, name)
	w.note(name, err)
	for _, e := range entries {
		if w.files++; w.files > w.limit {
			w.failure = "more entries than the image can hold"
		}
		if w.failure != "" {
			return
		}
		child := path.Join(name, e.Name())
		info, err := e.Info()
		w.note(child, err)
		if err != nil {
			continue
		}
		if st, ok := info.Sys().(*fstree.Stat); ok {
			_, err := st.Xattrs()
			w.note(child, err)
		}
		switch info.Mode().Type() {
		case fs.ModeDir:
			w.walk(fsys, child, depth+1)
		case fs.ModeSymlink:
			_, err := fs.ReadLink(fsys, child)
			w.note(child, err)
		case 0:
			w.read(fsys, child, info.Size())
		}
	}
}

func (w *walker) read(fsys fs.FS, name string, size int64) {
	f, err := fsys.Open(name)
	w.note(name, err)
	if err != nil {
		return
	}
	defer f.Close()
	if size < 0 {
		w.failure = fmt.Sprintf("%q: size %d", name, size)
		return
	}
	_, err = io.Copy(io.Discard, io.LimitReader(f, mutantRead))
	w.note(name, err)
	if at, ok := f.(io.ReaderAt); ok && size > mutantRead {
		_, err := at.ReadAt(make([]byte, 4096), size-4096)
		w.note(name, err)
	}
	if e, ok := f.(extenter); ok {
		runs := 0
		for _, err := range e.Extents(0, size) {
			if runs++; err != nil || runs > w.limit {
				w.note(name, err)
				break
			}
		}
	}
}

// note counts an error, and takes a panic that a layer turned into an error
// for what it is.
func (w *walker) note(name string, err error) {
	if err == nil || errors.Is(err, io.EOF) {
		return
	}
	w.errors++
	if text := err.Error(); strings.Contains(text, "panic") || strings.Contains(text, "runtime error") {
		w.failure = fmt.Sprintf("%q: %v", name, err)
	}
}
