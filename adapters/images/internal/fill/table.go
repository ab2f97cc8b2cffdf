package fill

import (
	"encoding/binary"
	"io"
)

// windowEntries is how many entries are gathered before they are written.
const windowEntries = 8 << 10

// A Table of an image is written from its first entry to its last, in large
// pieces.
// Entries that are not set have the value Fill.
type Table struct {
	To      io.WriterAt
	At      int64            // where the table begins, in bytes
	Len     int64            // entries
	Order   binary.ByteOrder // of their bytes
	Wide    bool             // entries of 64 bits instead of 32
	Fill    uint64
	Mirrors []int64 // where the table begins once more

	first  int64 // entry that the window begins with
	window []byte
}

func (w *Table) entryBytes() int64 {
	if w.Wide {
		return 8
	}
	return 4
}

// Set gives entry i its value. It may be called again for the last entry, and
// else only for entries behind it.
func (w *Table) Set(i int64, v uint64) error {
	for w.window == nil || i >= w.first+windowEntries {
		if err := w.next(i); err != nil {
			return err
		}
	}
	w.put(i-w.first, v)
	return nil
}

func (w *Table) put(i int64, v uint64) {
	if w.Wide {
		w.Order.PutUint64(w.window[8*i:], v)
	} else {
		w.Order.PutUint32(w.window[4*i:], uint32(v))
	}
}

// next moves the window on, towards entry i. In a table of zeroes, as the new
// file has, it leaves out what lies between.
func (w *Table) next(i int64) error {
	if w.window == nil {
		w.window = make([]byte, windowEntries*w.entryBytes())
	} else {
		if err := w.flush(); err != nil {
			return err
		}
		w.first += windowEntries
	}
	if w.Fill == 0 {
		w.first = i / windowEntries * windowEntries
	}
	for k := range int64(windowEntries) {
		w.put(k, w.Fill)
	}
	return nil
}

// flush writes the window.
func (w *Table) flush() error {
	size := w.entryBytes()
	b := w.window[:min(windowEntries, w.Len-w.first)*size]
	for _, at := range append([]int64{w.At}, w.Mirrors...) {
		if _, err := w.To.WriteAt(b, at+w.first*size); err != nil {
			return err
		}
	}
	return nil
}

// Close writes the rest of the table.
func (w *Table) Close() error {
	if w.Len == 0 {
		return nil
	}
	if w.Fill == 0 {
		if w.window == nil {
			return nil
		}
		return w.flush()
	}
	for w.window == nil || w.first+windowEntries < w.Len {
		if err := w.next(0); err != nil {
			return err
		}
	}
	return w.flush()
}
