// Package regf reads hives of the Windows registry.
//
//	base block (4096 bytes): "regf", two sequence numbers, the root key's cell
//	bins:                    cells: size (4, negative where it is used), bytes
//	key:                     "nk", names, lists of its keys and values
//	value:                   "vk", name, type, bytes or their cell
//
// Offsets count from the first bin; all numbers are little-endian. The format is
// described in "Windows registry file format specification" by M. Suhanov.
//
// Cells are read when they are asked for. Hives are not trusted: what is read
// in all is bounded by the size of the hive, and so is every loop.
package regf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"unicode/utf16"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend/errs"
)

var (
	// ErrFormat is matched by errors of what is not a hive, or damaged.
	ErrFormat = errs.New("regf", "not a valid registry hive", nil)

	// ErrDirty is matched by the error of a hive that was not written
	// completely. What it lacks is in the logs beside it.
	ErrDirty = errs.New("regf", "the hive was not written completely, and its logs are not read", nil)
)

const (
	binsStart = 4096    // of the file
	maxValue  = 1 << 20 // bytes of a value (Windows's own limit is 1 MiB)
	segment   = 16344   // bytes in each part of a value that is in parts
	maxDepth  = 2       // of lists of keys
)

// Hive is a hive, open. It is not safe for concurrent use.
type Hive struct {
	r    io.ReaderAt
	size int64 // of the bins
	left int64 // bytes that may be read still
	root uint32
}

// Open reads the base block of a hive of size bytes. A hive that can be read
// and was not written completely is returned beside an error that matches
// [ErrDirty].
func Open(r io.ReaderAt, size int64) (*Hive, error) {
	b := make([]byte, 512)
	if _, err := r.ReadAt(b, 0); err != nil {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: it has %d bytes", ErrFormat, size)
		}
		return nil, err
	}
	if string(b[:4]) != "regf" || size < binsStart {
		return nil, fmt.Errorf("%w: no base block", ErrFormat)
	}
	h := &Hive{r: r, size: size - binsStart, left: 4*size + 1<<20, root: le.Uint32(b[36:])}
	var sum uint32
	for i := 0; i < 508; i += 4 {
		sum ^= le.Uint32(b[i:])
	}
	switch { // these two are no sums, as in CmpHeaderCheckSum
	case sum == 0:
		sum = 1
	case sum == 1<<32-1:
		sum--
	}
	if major := le.Uint32(b[20:]); major != 1 {
		return nil, fmt.Errorf("%w: version %d", ErrFormat, major)
	}
	if sum != le.Uint32(b[508:]) || le.Uint32(b[4:]) != le.Uint32(b[8:]) {
		return h, ErrDirty
	}
	return h, nil
}

var le = binary.LittleEndian

// cell returns the first n bytes of a cell.
func (h *Hive) cell(at uint32, n int) ([]byte, error) {
	b, err := h.bytes(int64(at), 4+n)
	if err != nil {
		return nil, err
	}
	if size := -int64(int32(le.Uint32(b))); size < int64(4+n) {
		return nil, fmt.Errorf("%w: the cell at %d has %d bytes", ErrFormat, at, max(size-4, 0))
	}
	return b[4:], nil
}

func (h *Hive) bytes(at int64, n int) ([]byte, error) {
	if at > h.size-int64(n) {
		return nil, fmt.Errorf("%w: a cell at %d is past the end", ErrFormat, at)
	}
	if h.left -= int64(n); h.left < 0 {
		return nil, fmt.Errorf("more to read than a valid hive has: %w", fstree.ErrTooLarge)
	}
	b := make([]byte, n)
	if _, err := h.r.ReadAt(b, binsStart+at); err != nil {
		return nil, err
	}
	return b, nil
}

// Key is a key of a hive.
type Key struct {
	Name string

	h            *Hive
	keys, values uint32 // their lists
	nKeys        uint32
	nValues      uint32
}

const keyHead = 76

// Root returns the root key.
func (h *Hive) Root() (*Key, error) { return h.key(h.root) }

func (h *Hive) key(at uint32) (*Key, error) {
	b, err := h.cell(at, keyHead)
	if err != nil {
		return nil, err
	}
	if string(b[:2]) != "nk" {
		return nil, fmt.Errorf("%w: no key at %d", ErrFormat, at)
	}
	k := &Key{h: h, nKeys: le.Uint32(b[20:]), keys: le.Uint32(b[28:]), nValues: le.Uint32(b[36:]), values: le.Uint32(b[40:])}
	k.Name, err = h.name(at, keyHead, le.Uint16(b[72:]), le.Uint16(b[2:])&0x20 != 0)
	return k, err
}

// name reads the name behind the head of a cell: in one byte a character, the
// first 256 of Unicode, or in UTF-16.
func (h *Hive) name(at uint32, head int, length uint16, narrow bool) (string, error) {
	b, err := h.cell(at, head+int(length))
	if err != nil {
		return "", err
	}
	if b = b[head:]; !narrow {
		return Text(b), nil
	}
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes), nil
}

// Key returns the key at a path of names. Letters of either case are the same. A
// key that is not there is an error that matches [fs.ErrNotExist].
func (k *Key) Key(path ...string) (*Key, error) {
	for _, name := range path {
		var found *Key
		for sub, err := range k.Keys() {
			if err != nil {
				return nil, err
			}
			if strings.EqualFold(sub.Name, name) {
				found = sub
				break
			}
		}
		if found == nil {
			return nil, fmt.Errorf("key %s: %w", name, fs.ErrNotExist)
		}
		k = found
	}
	return k, nil
}

// Keys yields the keys below. An error beside a nil key is of one of them, or
// ends the list.
func (k *Key) Keys() iter.Seq2[*Key, error] {
	return func(yield func(*Key, error) bool) {
		if k.nKeys > 0 {
			k.h.list(k.keys, 0, yield)
		}
	}
}

// list yields the keys of a list, or of a list of lists.
func (h *Hive) list(at uint32, depth int, yield func(*Key, error) bool) bool {
	b, err := h.cell(at, 4)
	if err != nil {
		return yield(nil, err)
	}
	kind, n, size := string(b[:2]), int(le.Uint16(b[2:])), 4
	switch kind {
	case "lf", "lh":
		size = 8 // with a hint or hash of the name
	case "li":
	case "ri":
		if depth++; depth == maxDepth {
			return yield(nil, fmt.Errorf("%w: a list of lists of lists at %d", ErrFormat, at))
		}
	default:
		return yield(nil, fmt.Errorf("%w: no list of keys at %d", ErrFormat, at))
	}
	if b, err = h.cell(at, 4+n*size); err != nil {
		return yield(nil, err)
	}
	for b = b[4:]; len(b) > 0; b = b[size:] {
		if to := le.Uint32(b); kind == "ri" {
			if !h.list(to, depth, yield) {
				return false
			}
		} else if sub, err := h.key(to); !yield(sub, err) || errors.Is(err, fstree.ErrTooLarge) {
			return false
		}
	}
	return true
}

// Text is a text of UTF-16, up to its first NUL.
func Text(b []byte) string {
	var units []uint16
	for ; len(b) >= 2; b = b[2:] {
		u := le.Uint16(b)
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}
