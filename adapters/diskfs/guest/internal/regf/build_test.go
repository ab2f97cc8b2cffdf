package regf

import (
	"cmp"
	"slices"
	"unicode/utf16"
)

// builder writes a hive, cell by cell, as Windows does.
type builder struct {
	bins []byte
}

// node is a key to be written.
type node struct {
	name   string
	keys   []node
	values []Value
	list   string // kind of its list of keys: "lf" unless said; "ri" of lists of two
}

// cell adds a cell and returns where.
func (b *builder) cell(data []byte) uint32 {
	if len(b.bins) == 0 {
		b.bins = append([]byte("hbin"), make([]byte, 28)...)
	}
	at := len(b.bins)
	size := (4 + len(data) + 7) &^ 7
	b.bins = le.AppendUint32(b.bins, uint32(-size))
	b.bins = append(b.bins, data...)
	b.bins = append(b.bins, make([]byte, at+size-len(b.bins))...)
	return uint32(at)
}

// text is a name: in one byte a character where all are of the first 256.
func text(s string) (b []byte, narrow bool) {
	for _, r := range s {
		if r > 0xff {
			return wide(s), false
		}
		b = append(b, byte(r))
	}
	return b, true
}

func wide(s string) (b []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		b = le.AppendUint16(b, u)
	}
	return b
}

func (b *builder) key(n *node) uint32 {
	var keys []uint32
	for i := range n.keys {
		keys = append(keys, b.key(&n.keys[i]))
	}
	name, narrow := text(n.name)
	c := make([]byte, keyHead)
	copy(c, "nk")
	if narrow {
		c[2] = 0x20
	}
	for _, at := range []int{16, 28, 32, 40, 44, 48} {
		le.PutUint32(c[at:], 1<<32-1)
	}
	le.PutUint32(c[20:], uint32(len(keys)))
	if len(keys) > 0 {
		le.PutUint32(c[28:], b.list(cmp.Or(n.list, "lf"), keys))
	}
	if len(n.values) > 0 {
		var list []byte
		for i := range n.values {
			list = le.AppendUint32(list, b.value(&n.values[i]))
		}
		le.PutUint32(c[36:], uint32(len(n.values)))
		le.PutUint32(c[40:], b.cell(list))
	}
	le.PutUint16(c[72:], uint16(len(name)))
	at := b.cell(append(c, name...))
	for _, k := range keys {
		le.PutUint32(b.bins[k+4+16:], at) // their parent
	}
	return at
}

func (b *builder) list(kind string, keys []uint32) uint32 {
	if kind == "ri" {
		var lists []uint32
		for some := range slices.Chunk(keys, 2) {
			lists = append(lists, b.list("li", some))
		}
		keys = lists
	}
	c := le.AppendUint16([]byte(kind), uint16(len(keys)))
	for _, k := range keys {
		c = le.AppendUint32(c, k)
		if kind[1] != 'i' {
			c = append(c, 0, 0, 0, 0) // the hash of its name
		}
	}
	return b.cell(c)
}

func (b *builder) value(v *Value) uint32 {
	name, narrow := text(v.Name)
	c := make([]byte, valueHead)
	copy(c, "vk")
	le.PutUint16(c[2:], uint16(len(name)))
	le.PutUint32(c[4:], uint32(len(v.Data)))
	le.PutUint32(c[12:], v.Type)
	if narrow {
		c[16] = 1
	}
	switch {
	case len(v.Data) <= 4:
		c[7] |= 0x80
		copy(c[8:12], v.Data)
	case len(v.Data) > segment:
		var list []byte
		for part := range slices.Chunk(v.Data, segment) {
			list = le.AppendUint32(list, b.cell(append(slices.Clone(part), 0, 0, 0, 0)))
		}
		db := le.AppendUint16([]byte("db"), uint16(len(list)/4))
		le.PutUint32(c[8:], b.cell(append(le.AppendUint32(db, b.cell(list)), 0, 0, 0, 0)))
	default:
		le.PutUint32(c[8:], b.cell(v.Data))
	}
	return b.cell(append(c, name...))
}

// hive is the file of a root key.
func hive(root node) []byte {
	var b builder
	at := b.key(&root)
	if pad := 4096 - len(b.bins)%4096; pad >= 8 {
		start := len(b.bins)
		b.bins = append(b.bins, make([]byte, pad)...)
		le.PutUint32(b.bins[start:], uint32(pad)) // a cell that is free
	}
	le.PutUint32(b.bins[8:], uint32(len(b.bins)))
	base := make([]byte, binsStart)
	copy(base, "regf")
	le.PutUint32(base[4:], 7)
	le.PutUint32(base[8:], 7)
	le.PutUint32(base[20:], 1)
	le.PutUint32(base[24:], 5)
	le.PutUint32(base[32:], 1)
	le.PutUint32(base[36:], at)
	le.PutUint32(base[40:], uint32(len(b.bins)))
	le.PutUint32(base[44:], 1)
	seal(base)
	return append(base, b.bins...)
}

// seal puts the sum into a base block.
func seal(base []byte) {
	var sum uint32
	for i := 0; i < 508; i += 4 {
		sum ^= le.Uint32(base[i:])
	}
	le.PutUint32(base[508:], sum)
}
