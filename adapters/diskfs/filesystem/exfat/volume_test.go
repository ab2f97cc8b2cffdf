package exfat_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"unicode/utf16"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/exfat"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// volume is an exFAT volume with clusters of 512 bytes that a test lays out
// itself: the bitmap is in cluster 2, the upper-case table in 3, the root
// directory begins in 4.
type volume struct{ b []byte }

const (
	tableAt = 24 * 512
	heapAt  = 32 * 512
	count   = 512
)

func newVolume() *volume {
	v := &volume{b: make([]byte, heapAt+count*512)}
	le := binary.LittleEndian
	copy(v.b, "\xEB\x76\x90EXFAT   ")
	le.PutUint64(v.b[72:], uint64(len(v.b)/512))
	le.PutUint32(v.b[80:], tableAt/512)
	le.PutUint32(v.b[84:], (heapAt-tableAt)/512)
	le.PutUint32(v.b[88:], heapAt/512)
	le.PutUint32(v.b[92:], count)
	le.PutUint32(v.b[96:], 4)
	le.PutUint32(v.b[100:], 0x12ABCDEF)
	v.b[105], v.b[108], v.b[110] = 1, 9, 1
	le.PutUint16(v.b[510:], 0xAA55)
	v.sum()
	v.chain(2)
	v.chain(3)
	v.chain(4)
	v.put(2, []byte{0x07})
	var upcase []byte // 0..'a'-1 and what follows 'z' stay as they are
	upcase = le.AppendUint16(le.AppendUint16(upcase, 0xFFFF), 'a')
	for c := 'A'; c <= 'Z'; c++ {
		upcase = le.AppendUint16(upcase, uint16(c))
	}
	upcase = le.AppendUint16(le.AppendUint16(upcase, 0xFFFF), 0xFFFF-'z')
	v.put(3, upcase)
	var sum uint32
	for _, c := range upcase {
		sum = sum>>1 | sum<<31
		sum += uint32(c)
	}
	bitmap, table := make([]byte, 32), make([]byte, 32)
	bitmap[0], table[0] = 0x81, 0x82
	le.PutUint32(bitmap[20:], 2)
	le.PutUint64(bitmap[24:], count/8)
	le.PutUint32(table[4:], sum)
	le.PutUint32(table[20:], 3)
	le.PutUint64(table[24:], uint64(len(upcase)))
	v.list(bitmap, table)
	return v
}

// sum writes the boot region's checksum.
func (v *volume) sum() {
	var sum uint32
	for i, c := range v.b[:11*512] {
		if i != 106 && i != 107 && i != 112 {
			sum = sum>>1 | sum<<31
			sum += uint32(c)
		}
	}
	for at := 11 * 512; at < 12*512; at += 4 {
		binary.LittleEndian.PutUint32(v.b[at:], sum)
	}
}

// chain links clusters and ends behind the last.
func (v *volume) chain(clusters ...int) {
	for i, c := range clusters {
		next := int64(0xFFFFFFFF)
		if i+1 < len(clusters) {
			next = int64(clusters[i+1])
		}
		v.link(c, next)
	}
}

// link writes one entry of the table.
func (v *volume) link(cluster int, next int64) {
	binary.LittleEndian.PutUint32(v.b[tableAt+4*cluster:], uint32(next))
}

// put copies bytes to a cluster and those behind it.
func (v *volume) put(cluster int, b []byte) { copy(v.b[heapAt+(cluster-2)*512:], b) }

// list adds entries to the root directory, which is in one cluster.
func (v *volume) list(entries ...[]byte) {
	root := v.b[heapAt+2*512 : heapAt+3*512]
	for len(root) > 0 && root[0] != 0 {
		root = root[32:]
	}
	copy(root, bytes.Join(entries, nil))
}

// file is the set of a file.
func file(name string, attr uint16, flags byte, start, size, valid int) []byte {
	units := utf16.Encode([]rune(name))
	names := (len(units) + 14) / 15
	s := make([]byte, 32*(2+names))
	le := binary.LittleEndian
	s[0], s[1] = 0x85, byte(1+names)
	le.PutUint16(s[4:], attr)
	le.PutUint32(s[8:], (2023-1980)<<25|4<<21|3<<16|12<<11|34<<5|56/2)
	le.PutUint32(s[12:], (2024-1980)<<25|5<<21|6<<16|1<<11|2<<5|4/2)
	le.PutUint32(s[16:], (2022-1980)<<25|2<<21|1<<16)
	s[20], s[21] = 123, 50
	s[22], s[23], s[24] = 0x80|8, 0x80|0x7C, 0 // +2 hours, -1 hour, unknown
	s[32], s[33], s[35] = 0xC0, flags|1, byte(len(units))
	le.PutUint64(s[40:], uint64(valid))
	le.PutUint32(s[52:], uint32(start))
	le.PutUint64(s[56:], uint64(size))
	var hash uint16 // of the name in upper case; Linux compares it first
	for _, u := range units {
		if 'a' <= u && u <= 'z' {
			u -= 'a' - 'A'
		}
		for _, c := range []uint16{u & 0xFF, u >> 8} {
			hash = hash>>1 | hash<<15
			hash += c
		}
	}
	le.PutUint16(s[36:], hash)
	for i, u := range units {
		at := 64 + i/15*32
		s[at] = 0xC1
		le.PutUint16(s[at+2+i%15*2:], u)
	}
	return seal(s)
}

// seal writes the checksum of a set.
func seal(s []byte) []byte {
	s = slices.Clone(s)
	var sum uint16
	for i, c := range s {
		if i != 2 && i != 3 {
			sum = sum>>1 | sum<<15
			sum += uint16(c)
		}
	}
	binary.LittleEndian.PutUint16(s[2:], sum)
	return s
}

func (v *volume) open(t *testing.T) *fstree.FS {
	t.Helper()
	fsys, err := exfat.Open(bytes.NewReader(v.b), int64(len(v.b)))
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}
