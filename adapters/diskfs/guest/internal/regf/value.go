package regf

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Types of values.
const (
	String       = 1 // text
	ExpandString = 2 // text with %names% in it
	Binary       = 3
	Uint32       = 4
)

// Value is a value of a key.
type Value struct {
	Name string // "" of the default one
	Type uint32
	Data []byte
}

// Text is the value as a text; "" where it is none.
func (v *Value) Text() string {
	if v.Type != String && v.Type != ExpandString {
		return ""
	}
	return Text(v.Data)
}

// Number is the value as a number, if it is one.
func (v *Value) Number() (n uint32, ok bool) {
	if v.Type != Uint32 || len(v.Data) != 4 {
		return 0, false
	}
	return le.Uint32(v.Data), true
}

// Value returns the value of a name, whose letters may be of either case. One
// that is not there is an error that matches [fs.ErrNotExist].
func (k *Key) Value(name string) (*Value, error) {
	for v, err := range k.Values() {
		if err != nil {
			return nil, err
		}
		if strings.EqualFold(v.Name, name) {
			return v, nil
		}
	}
	return nil, fmt.Errorf("value %s: %w", name, fs.ErrNotExist)
}

// Values yields the values of a key. An error beside a nil value is of one of
// them, or ends the list.
func (k *Key) Values() iter.Seq2[*Value, error] {
	return func(yield func(*Value, error) bool) {
		const step = 1024 // entries, for the number is not trusted
		for i := uint32(0); i < k.nValues; i += step {
			n := min(step, k.nValues-i)
			b, err := k.h.cell(k.values, int(i+n)*4)
			if err != nil {
				yield(nil, err)
				return
			}
			for b = b[i*4:]; len(b) > 0; b = b[4:] {
				v, err := k.h.value(le.Uint32(b))
				if !yield(v, err) || errors.Is(err, fstree.ErrTooLarge) {
					return
				}
			}
		}
	}
}

const valueHead = 20

func (h *Hive) value(at uint32) (*Value, error) {
	b, err := h.cell(at, valueHead)
	if err != nil {
		return nil, err
	}
	if string(b[:2]) != "vk" {
		return nil, fmt.Errorf("%w: no value at %d", ErrFormat, at)
	}
	v := &Value{Type: le.Uint32(b[12:])}
	if v.Name, err = h.name(at, valueHead, le.Uint16(b[2:]), le.Uint16(b[16:])&1 != 0); err != nil {
		return nil, err
	}
	const inline = 1 << 31 // in the place of the cell
	size := le.Uint32(b[4:])
	switch n := size &^ inline; {
	case size&inline != 0 && n > 4:
		err = fmt.Errorf("%w: value %s has %d bytes in the place of 4", ErrFormat, v.Name, n)
	case size&inline != 0:
		v.Data = b[8 : 8+n]
	case n > maxValue:
		err = fmt.Errorf("value %s of %d bytes: %w", v.Name, n, fs.ErrInvalid)
	case n > 0:
		v.Data, err = h.data(le.Uint32(b[8:]), int(n))
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// data reads the bytes of a value: from a cell, or from a list of cells where
// there are too many for one.
func (h *Hive) data(at uint32, n int) ([]byte, error) {
	if n <= segment {
		return h.cell(at, n)
	}
	b, err := h.cell(at, 8)
	if err != nil {
		return nil, err
	}
	if string(b[:2]) != "db" { // before version 1.4 all values were in one
		return h.cell(at, n)
	}
	list, err := h.cell(le.Uint32(b[4:]), int(le.Uint16(b[2:]))*4)
	if err != nil {
		return nil, err
	}
	var data []byte
	for ; len(list) > 0 && n > 0; list = list[4:] {
		part, err := h.cell(le.Uint32(list), min(n, segment))
		if err != nil {
			return nil, err
		}
		data = append(data, part...)
		n -= len(part)
	}
	if n > 0 {
		return nil, fmt.Errorf("%w: %d bytes of a value are missing", ErrFormat, n)
	}
	return data, nil
}
