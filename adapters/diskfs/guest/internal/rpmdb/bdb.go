package rpmdb

import (
	"encoding/binary"
	"fmt"
)

// Berkeley DB's hash (dbinc/db_page.h): pages of one size, of the byte order of
// the machine. A page of pairs has an index of offsets from its begin; keys and
// values take turns. A value that is too large for a page is a chain of them.
//
//	page: lsn (8), number (4), previous (4), next (4), entries (2), high (2), level (1), type (1), index...
//	item: 1, bytes           or   3, 0 0 0, first page (4), length (4)

const (
	bdbMagic = 0x061561

	bdbHead = 26 // bytes of a page before its index

	pageUnsorted = 2 // of a hash; before version 9 all were
	pageOverflow = 7
	pageHashMeta = 8
	pageHash     = 13

	itemInline  = 1
	itemOffPage = 3
)

// bdbOrder is the byte order of a hash database, nil of all else.
func bdbOrder(head []byte) binary.ByteOrder {
	if len(head) < 72 {
		return nil
	}
	for _, order := range [...]binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if order.Uint32(head[12:]) == bdbMagic {
			return order
		}
	}
	return nil
}

type bdbDB struct {
	*reader
	order    binary.ByteOrder
	pageSize int
}

func (r *reader) bdb(head []byte, yield func([]byte, error) bool) error {
	order := bdbOrder(head)
	d := &bdbDB{r, order, int(order.Uint32(head[20:]))}
	if d.pageSize < 512 || d.pageSize > 65536 || d.pageSize&(d.pageSize-1) != 0 {
		return fmt.Errorf("%w: pages of %d bytes", ErrFormat, d.pageSize)
	}
	if head[24] != 0 || head[25] != pageHashMeta || head[26] != 0 {
		return fmt.Errorf("%w: Berkeley DB of type %d, flags %d, encryption %d", ErrFormat, head[25], head[26], head[24])
	}
	page := make([]byte, d.pageSize)
	var blob []byte
	// Pages of pairs are where the file has them: their chains lead to no others.
	for n := range order.Uint32(head[32:]) {
		b, err := d.page(n + 1)
		if err != nil {
			return err
		}
		if kind := b[25]; kind != pageHash && kind != pageUnsorted {
			continue
		}
		copy(page, b)
		entries := int(order.Uint16(page[20:]))
		if bdbHead+2*entries > len(page) || entries%2 != 0 {
			return fmt.Errorf("%w: page %d has %d entries", ErrFormat, n+1, entries)
		}
		for i := 0; i < entries; i += 2 {
			key, err := d.item(page, i)
			// The key 0 has the number of the next package.
			if err == nil && len(key) == 5 && order.Uint32(key[1:]) == 0 {
				continue
			}
			if err == nil {
				blob, err = d.value(blob[:0], page, i+1)
			}
			if err := give(yield, blob, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *bdbDB) page(n uint32) ([]byte, error) {
	return d.bytes(int64(n)*int64(d.pageSize), d.pageSize)
}

// item is an entry of a page. Each ends where the one before begins.
func (d *bdbDB) item(page []byte, i int) ([]byte, error) {
	at := int(d.order.Uint16(page[bdbHead+2*i:]))
	end := len(page)
	if i > 0 {
		end = int(d.order.Uint16(page[bdbHead+2*(i-1):]))
	}
	if at < bdbHead || at >= end || end > len(page) {
		return nil, fmt.Errorf("%w: an item from %d to %d", ErrFormat, at, end)
	}
	return page[at:end], nil
}

// value reads a value, which lies in the page or in a chain of others.
func (d *bdbDB) value(blob, page []byte, i int) ([]byte, error) {
	item, err := d.item(page, i)
	if err != nil {
		return blob, err
	}
	switch {
	case item[0] == itemInline:
		if d.left -= int64(len(item)); d.left < 0 {
			return blob, errSpent
		}
		return append(blob, item[1:]...), nil
	case item[0] != itemOffPage || len(item) < 12:
		return blob, fmt.Errorf("%w: an item of type %d", ErrFormat, item[0])
	}
	next, size := d.order.Uint32(item[4:]), uint64(d.order.Uint32(item[8:]))
	if err := checkBlob(size); err != nil {
		return blob, err
	}
	for left := int(size); left > 0; {
		b, err := d.page(next)
		if err != nil {
			return blob, err
		}
		n := int(d.order.Uint16(b[22:]))
		if b[25] != pageOverflow || n == 0 || n > len(b)-bdbHead {
			return blob, fmt.Errorf("%w: page %d has no part of a value", ErrFormat, next)
		}
		take := min(left, n)
		blob = append(blob, b[bdbHead:][:take]...)
		left -= take
		next = d.order.Uint32(b[16:])
	}
	return blob, nil
}
