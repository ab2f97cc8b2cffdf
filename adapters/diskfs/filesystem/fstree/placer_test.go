package fstree

import (
	"io"
	"iter"
	"testing"

	"github.com/qedfs/qedfs/backend"
)

// listener keeps what is announced of a volume of zeroes.
type listener struct{ ranges []backend.Range }

func (l *listener) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }
func (l *listener) Prefetch(ranges []backend.Range)       { l.ranges = append(l.ranges, ranges...) }
func (l *listener) Prefetches() bool                      { return true }

type streamed struct {
	Engine
	cache *Cache
}

func (s streamed) Cache() *Cache                { return s.cache }
func (s streamed) InodeAt(ID) []backend.Range   { return nil }
func (s streamed) EntriesAt(ID) []backend.Range { return nil }

// straight is a file that lies on the volume from its byte 1 MiB on.
type straight struct{ size int64 }

func (c straight) Size() int64                           { return c.size }
func (c straight) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (c straight) Extents(off, n int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		yield(Extent{Start: off, Length: n, Offset: 1<<20 + off}, nil)
	}
}

// What follows in a file is announced once, in order and before it is read; and
// of a file of this machine nothing.
func TestWhatFollowsInAFileIsAnnounced(t *testing.T) {
	const size = 100 << 20
	l := &listener{}
	e := streamed{cache: NewCache(l, size+1<<20, 0)}
	f := &file{tree: &tree{engine: e, placer: placerOf(e)}, info: &fileInfo{}, content: straight{size}}
	read := int64(0)
	for p := make([]byte, 64<<10); ; {
		n, err := f.Read(p)
		read += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if last := l.ranges[len(l.ranges)-1]; last.Off+last.Len < 1<<20+min(size, read+firstStream/4) {
			t.Fatalf("%d bytes are read, and told is up to %d", read, last.Off+last.Len-1<<20)
		}
	}
	next := int64(1<<20 + 64<<10)
	for _, r := range l.ranges {
		if r.Off != next {
			t.Fatalf("%d is announced after %d", r.Off, next)
		}
		next += r.Len
	}
	if next != size+1<<20 || len(l.ranges) > 20 {
		t.Errorf("up to %d in %d pieces, want %d in 20", next, len(l.ranges), size+1<<20)
	}
	local := streamed{cache: NewCache(straight{size}, size, 0)}
	if placerOf(local) != nil {
		t.Error("a file of this machine is told")
	}
}
