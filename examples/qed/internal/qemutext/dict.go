package qemutext

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
)

// Dict is a JSON object whose members come in the order in which QEMU prints
// them: that of the buckets of a hash table (qobject/qdict.c).
type Dict map[string]any

// MarshalJSON implements [json.Marshaler].
func (d Dict) MarshalJSON() ([]byte, error) {
	keys := slices.SortedFunc(maps.Keys(d), func(a, b string) int {
		return cmp.Or(cmp.Compare(bucket(a), bucket(b)), cmp.Compare(a, b))
	})
	b := bytes.NewBufferString("{")
	for i, key := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(d[key])
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// bucket is where a key lies in QEMU's hash table of 512 buckets (qdict.c,
// tdb_hash).
func bucket(key string) uint32 {
	h := 0x238f13af * uint32(len(key))
	for i := range len(key) {
		h += uint32(key[i]) << (i * 5 % 24)
	}
	return (1103515243*h + 12345) % 512
}
