package qedfile_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

func TestHeaderErrorsNameTheField(t *testing.T) {
	valid := func() []byte {
		b := make([]byte, 5*64<<10)
		copy(b, "QED\x00")
		for at, v := range map[int]uint64{4: 64 << 10, 8: 4, 12: 1} {
			binary.LittleEndian.PutUint32(b[at:], uint32(v))
		}
		binary.LittleEndian.PutUint64(b[40:], 64<<10)
		binary.LittleEndian.PutUint64(b[48:], 1<<20)
		return b
	}
	if _, err := qedfile.ReadHeader(backend.NewMemory(valid())); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at    int
		field string
	}{
		{0, qedfile.FieldMagic}, {4, qedfile.FieldClusterSize}, {8, qedfile.FieldTableSize}, {12, qedfile.FieldHeaderSize},
		{40, qedfile.FieldL1Table}, {48, qedfile.FieldImageSize},
	} {
		b := valid()
		copy(b[c.at:], "\xff\xff\xff\xff")
		_, err := qedfile.ReadHeader(backend.NewMemory(b))
		var header *qedfile.HeaderError
		if !errors.As(err, &header) || header.Field != c.field || !errors.Is(err, qedfile.ErrFormat) {
			t.Errorf("%s: %v", c.field, err)
		}
	}
	b := valid()
	b[16] = byte(qedfile.FeatureBacking)
	copy(b[56:], "\xff\xff\xff\xff")
	var header *qedfile.HeaderError
	if _, err := qedfile.ReadHeader(backend.NewMemory(b)); !errors.As(err, &header) || header.Field != qedfile.FieldBackingName {
		t.Errorf("backing file name: %v", err)
	}
}
