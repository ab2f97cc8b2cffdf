package ntfs

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/utf16name"
)

// entryOf encodes an index entry: a name, "" for the last one, and the node
// before it, -1 for none.
func entryOf(name string, sub int64, space uint8) []byte {
	b := make([]byte, 16)
	flags := uint16(0)
	if name == "" {
		flags |= entryEnd
	} else {
		key := make([]byte, nameHeader)
		units := utf16name.Encode(name)
		key[64], key[65] = byte(len(units)), space
		for _, u := range units {
			key = le.AppendUint16(key, u)
		}
		b = append(b, key...)
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
		le.PutUint64(b, firstUser)
	}
	if sub >= 0 {
		flags |= entrySub
		b = le.AppendUint64(b, uint64(sub))
	}
	le.PutUint16(b[8:], uint16(len(b)))
	le.PutUint16(b[12:], flags)
	return b
}

// nodeOf encodes a node of 512 bytes.
func nodeOf(number uint64, entries ...[]byte) []byte {
	b := make([]byte, fixupUnit)
	copy(b, "INDX")
	le.PutUint16(b[4:], 40) // fixups
	le.PutUint16(b[6:], 2)
	le.PutUint64(b[16:], number)
	const start = 64
	all := slices.Concat(entries...)
	le.PutUint32(b[24:], start-24)
	le.PutUint32(b[28:], uint32(start-24+len(all)))
	copy(b[start:], all)
	return b
}

func testIndex(root []byte, nodes ...[]byte) *index {
	all := slices.Concat(nodes...)
	return &index{
		v: &volume{boot: &boot{cluster: fixupUnit}}, root: root, block: fixupUnit, scale: fixupUnit,
		alloc: &stream{resident: all, size: int64(len(all)), valid: int64(len(all)), v: &volume{boot: &boot{cluster: fixupUnit}}},
	}
}

func listOf(x *index) (names []string, errs []error) {
	for e, err := range x.all() {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		names = append(names, decodeUTF16(e.name))
	}
	return names, errs
}

func TestEachNodeOfAnIndexIsReadOnce(t *testing.T) {
	root := slices.Concat(entryOf("b", 0, 1), entryOf("d", 1, 1), entryOf("", -1, 0))
	a, c := nodeOf(0, entryOf("a", -1, 1), entryOf("", -1, 0)), nodeOf(1, entryOf("c", -1, 1), entryOf("", -1, 0))
	if names, errs := listOf(testIndex(root, a, c)); fmt.Sprint(names) != "[a b c d]" || errs != nil {
		t.Errorf("a sound index: %v, %v", names, errs)
	}
	// Both entries of the root lead to the first node.
	twice := slices.Concat(entryOf("b", 0, 1), entryOf("d", 0, 1), entryOf("", -1, 0))
	names, errs := listOf(testIndex(twice, a, c))
	if fmt.Sprint(names) != "[a b d]" || len(errs) != 1 || !errors.Is(errs[0], fstree.ErrDamaged) {
		t.Errorf("a node twice: %v, %v", names, errs)
	}
	// The first node leads to itself.
	loop := nodeOf(0, entryOf("a", 0, 1), entryOf("", -1, 0))
	names, errs = listOf(testIndex(root, loop, c))
	if fmt.Sprint(names) != "[a b c d]" || len(errs) != 1 || !errors.Is(errs[0], fstree.ErrDamaged) {
		t.Errorf("a node that leads to itself: %v, %v", names, errs)
	}
	names, errs = listOf(testIndex(root, a, nodeOf(7, entryOf("c", -1, 1), entryOf("", -1, 0))))
	if fmt.Sprint(names) != "[a b d]" || len(errs) != 1 {
		t.Errorf("a node with another's number: %v, %v", names, errs)
	}
}

func TestShortNamesBesideLongOnesAreHidden(t *testing.T) {
	for space, hidden := range map[uint8]bool{0: false, 1: false, spaceDOS: true, 3: false} {
		e, err := testIndex(nil).parse(entryOf("NAME~1", -1, space))
		if err != nil || e.hidden() != hidden {
			t.Errorf("namespace %d: hidden %v, %v", space, e.hidden(), err)
		}
	}
	e, err := testIndex(nil).parse(entryOf("$MFT", -1, 3))
	if e.ref = 0; err != nil || !e.hidden() {
		t.Errorf("a metadata file is not hidden: %v", err)
	}
}
