package qedfile_test

import (
	"encoding/binary"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// layout is an image made by hand: what no tool would write.
type layout struct {
	magic                       string
	cluster, table, headerSize  uint32
	features, compat, autoclear uint64
	l1, size                    uint64
	backingOffset, backingSize  uint32
	backing                     string           // bytes at backingOffset
	entries                     map[int64]uint64 // table entries by their offset in the file
	data                        map[int64][]byte // whatever else
	length                      int64            // of the file
}

// small is an image with 4 KiB clusters, an L1 table at 4 KiB, an L2 table at
// 8 KiB and three data clusters after it, of which the L2 table links none.
func small() layout {
	return layout{
		magic: "QED\x00", cluster: 4096, table: 1, headerSize: 1, l1: 4096, size: 1 << 20,
		entries: map[int64]uint64{4096: 8192},
		length:  6 * 4096,
	}
}

func (l layout) bytes() []byte {
	b := make([]byte, max(l.length, 64<<10))
	le := binary.LittleEndian
	copy(b, l.magic)
	le.PutUint32(b[4:], l.cluster)
	le.PutUint32(b[8:], l.table)
	le.PutUint32(b[12:], l.headerSize)
	le.PutUint64(b[16:], l.features)
	le.PutUint64(b[24:], l.compat)
	le.PutUint64(b[32:], l.autoclear)
	le.PutUint64(b[40:], l.l1)
	le.PutUint64(b[48:], l.size)
	le.PutUint32(b[56:], l.backingOffset)
	le.PutUint32(b[60:], l.backingSize)
	if l.backing != "" {
		copy(b[l.backingOffset:], l.backing)
	}
	for off, e := range l.entries {
		le.PutUint64(b[off:], e)
	}
	for off, data := range l.data {
		copy(b[off:], data)
	}
	return b[:l.length]
}

func (l layout) open(opts *qedfile.Options) (*qedfile.Image, error) {
	return qedfile.New(backend.NewMemory(l.bytes()), opts)
}

func (l layout) mustOpen(tb testing.TB, opts *qedfile.Options) *qedfile.Image {
	tb.Helper()
	m, err := l.open(opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { m.Close() })
	return m
}

// storage is the image in memory.
func (l layout) storage() *backend.Memory { return backend.NewMemory(l.bytes()) }
