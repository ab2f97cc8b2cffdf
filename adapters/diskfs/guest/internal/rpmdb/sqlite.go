package rpmdb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// SQLite's file format (sqlite.org/fileformat2.html): pages of one size, each
// table a b-tree of pages, page 1 the root of the table of tables.
//
//	page 1: header (100 bytes), sqlite_schema ── "Packages": root page
//	interior page: (left child, rowid)..., right child
//	leaf page:     (size, rowid, record, first overflow page)...

const sqliteMagic = "SQLite format 3\x00"

const maxDepth = 20 // of a b-tree: with two children a page that is all there can be

func isSQLite(head []byte) bool { return len(head) == 100 && string(head[:16]) == sqliteMagic }

// sqliteDB is an SQLite database, open.
type sqliteDB struct {
	*reader
	pageSize, usable int
	log              *walLog
	seen             map[uint32]bool // pages of the tree that is walked
}

func (r *reader) sqlite(head []byte, wal *io.SectionReader, yield func([]byte, error) bool) error {
	s := &sqliteDB{reader: r, pageSize: int(be.Uint16(head[16:])), seen: make(map[uint32]bool)}
	if s.pageSize == 1 {
		s.pageSize = 65536
	}
	s.usable = s.pageSize - int(head[20])
	if s.pageSize < 512 || s.pageSize&(s.pageSize-1) != 0 || s.usable < 480 {
		return fmt.Errorf("%w: pages of %d bytes", ErrFormat, s.pageSize)
	}
	if wal != nil && wal.Size() > 0 {
		var err error
		if s.log, err = readWAL(wal, s.pageSize, &r.left); err != nil {
			return err
		}
	}
	root, err := s.tableRoot("Packages")
	if err != nil {
		return err
	}
	clear(s.seen)
	return s.walk(root, 0, func(record []byte, err error) error {
		var blob []byte
		if err == nil {
			// The number of the package is the row's own and NULL
			// here; the second column is its header.
			blob, err = column(record, 1)
		}
		return give(yield, blob, err)
	})
}

// tableRoot finds the root page of a table.
func (s *sqliteDB) tableRoot(name string) (root uint32, err error) {
	err = s.walk(1, 0, func(record []byte, err error) error {
		if err != nil {
			return err
		}
		kind, _ := column(record, 0)
		table, _ := column(record, 1)
		if string(kind) != "table" || !strings.EqualFold(string(table), name) {
			return nil
		}
		number, err := column(record, 3)
		if err != nil || len(number) == 0 || len(number) > 4 {
			return fmt.Errorf("%w: table %s has no root page", ErrFormat, name)
		}
		for _, b := range number {
			root = root<<8 | uint32(b)
		}
		return errStopped
	})
	if err != nil && !errors.Is(err, errStopped) {
		return 0, err
	}
	if root == 0 {
		return 0, fmt.Errorf("%w: no table %s", ErrFormat, name)
	}
	return root, nil
}

// page returns a page, of the log where it has a newer one.
func (s *sqliteDB) page(n uint32) ([]byte, error) {
	if n == 0 {
		return nil, fmt.Errorf("%w: a page 0", ErrFormat)
	}
	if s.log != nil {
		if b, err := s.log.page(n); b != nil || err != nil {
			return b, err
		}
	}
	return s.bytes(int64(n-1)*int64(s.pageSize), s.pageSize)
}

// walk visits the records of a table's b-tree.
func (s *sqliteDB) walk(n uint32, depth int, visit func([]byte, error) error) error {
	if depth > maxDepth || s.seen[n] {
		return fmt.Errorf("%w: the tree comes to page %d again", ErrFormat, n)
	}
	s.seen[n] = true
	b, err := s.page(n)
	if err != nil {
		return err
	}
	page := bytes.Clone(b) // pages below take its place
	head := page
	if n == 1 {
		head = page[100:]
	}
	cells := int(be.Uint16(head[3:]))
	switch head[0] {
	case 13:
		return s.leaf(page, head[8:], cells, visit)
	case 5:
	default:
		return fmt.Errorf("%w: page %d has type %d", ErrFormat, n, head[0])
	}
	if len(head) < 12+2*cells {
		return fmt.Errorf("%w: page %d has %d cells", ErrFormat, n, cells)
	}
	for i := range cells {
		at := int(be.Uint16(head[12+2*i:]))
		if at+4 > len(page) {
			return fmt.Errorf("%w: page %d has a cell at %d", ErrFormat, n, at)
		}
		if err := s.walk(be.Uint32(page[at:]), depth+1, visit); err != nil {
			return err
		}
	}
	return s.walk(be.Uint32(head[8:]), depth+1, visit)
}

// leaf visits the records of a page.
func (s *sqliteDB) leaf(page, pointers []byte, cells int, visit func([]byte, error) error) error {
	if len(pointers) < 2*cells {
		return fmt.Errorf("%w: a page of %d cells", ErrFormat, cells)
	}
	var record []byte
	for i := range cells {
		at := int(be.Uint16(pointers[2*i:]))
		var err error
		if at < len(page) {
			record, err = s.record(record[:0], page[at:min(len(page), s.usable)])
		} else {
			err = fmt.Errorf("%w: a cell at %d", ErrFormat, at)
		}
		if err := visit(record, err); err != nil {
			return err
		}
	}
	return nil
}

// record puts a record together, from its cell and its chain of overflow pages.
func (s *sqliteDB) record(record, cell []byte) ([]byte, error) {
	size, n := varint(cell)
	_, m := varint(cell[n:]) // the rowid
	if n == 0 || m == 0 {
		return record, fmt.Errorf("%w: a cell is cut off", ErrFormat)
	}
	if err := checkBlob(size); err != nil {
		return record, err
	}
	cell = cell[n+m:]
	local := s.local(int(size))
	if local > len(cell) {
		return record, fmt.Errorf("%w: a record of %d bytes is cut off", ErrFormat, size)
	}
	if s.left -= int64(local); s.left < 0 {
		return record, errSpent
	}
	record = append(record, cell[:local]...)
	left := int(size) - local
	if left == 0 {
		return record, nil
	}
	if len(cell) < local+4 {
		return record, fmt.Errorf("%w: a record of %d bytes is cut off", ErrFormat, size)
	}
	// The chain ends with the record, and so does a loop.
	for next := be.Uint32(cell[local:]); left > 0; {
		page, err := s.page(next)
		if err != nil {
			return record, err
		}
		next = be.Uint32(page)
		take := min(left, s.usable-4)
		record = append(record, page[4:4+take]...)
		left -= take
	}
	return record, nil
}

// local is how much of a record lies in its leaf.
func (s *sqliteDB) local(size int) int {
	most := s.usable - 35
	if size <= most {
		return size
	}
	least := (s.usable-12)*32/255 - 23
	if k := least + (size-least)%(s.usable-4); k <= most {
		return k
	}
	return least
}

// column returns a column's bytes in a record.
func column(record []byte, n int) ([]byte, error) {
	cut := fmt.Errorf("%w: a record is cut off", ErrFormat)
	head, m := varint(record)
	if m == 0 || head < uint64(m) || head > uint64(len(record)) {
		return nil, cut
	}
	types, body := record[m:head], record[head:]
	for ; ; n-- {
		kind, m := varint(types)
		if m == 0 {
			return nil, cut
		}
		types = types[m:]
		size := columnSize(kind)
		if size > uint64(len(body)) {
			return nil, cut
		}
		if n == 0 {
			return body[:size], nil
		}
		body = body[size:]
	}
}

// columnSize is the length of a value by its serial type.
func columnSize(kind uint64) uint64 {
	switch {
	case kind >= 12:
		return (kind - 12) / 2
	case kind == 5:
		return 6
	case kind == 6 || kind == 7:
		return 8
	case kind >= 8:
		return 0
	}
	return kind
}

// varint reads SQLite's integer of variable length, and returns how long it is;
// 0 where it is cut off.
func varint(b []byte) (v uint64, n int) {
	for n = range min(len(b), 9) {
		if n == 8 {
			return v<<8 | uint64(b[8]), 9
		}
		v = v<<7 | uint64(b[n]&0x7f)
		if b[n] < 0x80 {
			return v, n + 1
		}
	}
	return 0, 0
}
