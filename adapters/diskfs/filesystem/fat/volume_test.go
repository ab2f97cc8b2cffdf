package fat_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fat"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// volume is a FAT volume with clusters of 512 bytes that a test lays out
// itself. Its root directory is at root; cluster 2 begins at heap.
type volume struct {
	b          []byte
	bits       int
	root, heap int
}

// newVolume makes an empty volume with so many clusters.
func newVolume(bits, clusters int) *volume {
	reserved, rootSectors := 1, 2
	tableSectors := ((clusters+2)*bits/8 + 512) / 512
	sectors := reserved + tableSectors + rootSectors + clusters
	if bits == 32 {
		rootSectors = 0
	}
	v := &volume{b: make([]byte, sectors*512), bits: bits}
	v.root = (reserved + tableSectors) * 512
	v.heap = v.root + rootSectors*512
	copy(v.b, "\xEB\x3C\x90mkfs.fat")
	le := binary.LittleEndian
	le.PutUint16(v.b[11:], 512)
	v.b[13], v.b[16], v.b[21] = 1, 1, 0xF8
	le.PutUint16(v.b[14:], uint16(reserved))
	le.PutUint16(v.b[17:], uint16(rootSectors*16))
	le.PutUint32(v.b[32:], uint32(sectors))
	ext := 36
	if bits == 32 {
		le.PutUint32(v.b[36:], uint32(tableSectors))
		le.PutUint32(v.b[44:], 2)
		v.root, ext = v.heap, 64
	} else {
		le.PutUint16(v.b[22:], uint16(tableSectors))
	}
	v.b[ext+2] = 0x29
	le.PutUint32(v.b[ext+3:], 0x1234ABCD)
	le.PutUint16(v.b[510:], 0xAA55)
	v.set(0, 0x0FFFFFF8)
	v.set(1, 0x0FFFFFFF)
	if bits == 32 {
		v.chain(2)
	}
	return v
}

// set writes an entry of the table.
func (v *volume) set(cluster, value int) {
	le := binary.LittleEndian
	t := v.b[512:]
	switch v.bits {
	case 12:
		at := cluster * 3 / 2
		old := le.Uint16(t[at:])
		if cluster&1 != 0 {
			le.PutUint16(t[at:], old&0xF|uint16(value)<<4)
		} else {
			le.PutUint16(t[at:], old&0xF000|uint16(value)&0xFFF)
		}
	case 16:
		le.PutUint16(t[cluster*2:], uint16(value))
	default:
		le.PutUint32(t[cluster*4:], uint32(value))
	}
}

// chain links clusters and ends behind the last.
func (v *volume) chain(clusters ...int) {
	for i, c := range clusters {
		next := 0x0FFFFFFF
		if i+1 < len(clusters) {
			next = clusters[i+1]
		}
		v.set(c, next)
	}
}

// put copies bytes to a cluster.
func (v *volume) put(cluster int, b []byte) { copy(v.b[v.heap+(cluster-2)*512:], b) }

// list puts slots into the root directory.
func (v *volume) list(slots ...[]byte) { copy(v.b[v.root:], bytes.Join(slots, nil)) }

// file is the slot of a file with its first cluster and size.
func file(name string, attr byte, start, size int) []byte {
	s := short(name, attr)
	binary.LittleEndian.PutUint16(s[26:], uint16(start))
	binary.LittleEndian.PutUint16(s[20:], uint16(start>>16))
	binary.LittleEndian.PutUint32(s[28:], uint32(size))
	return s
}

func (v *volume) open(t *testing.T) *fstree.FS {
	t.Helper()
	fsys, err := fat.Open(bytes.NewReader(v.b), int64(len(v.b)))
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

// everyKind runs a test on a volume of each width.
func everyKind(t *testing.T, f func(t *testing.T, v *volume)) {
	t.Helper()
	t.Run("FAT12", func(t *testing.T) { f(t, newVolume(12, 100)) })
	t.Run("FAT16", func(t *testing.T) { f(t, newVolume(16, 5000)) })
	t.Run("FAT32", func(t *testing.T) { f(t, newVolume(32, 66000)) })
}
