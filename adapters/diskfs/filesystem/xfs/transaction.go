package xfs

import (
	"encoding/binary"
	"fmt"
)

// Flags of an operation in the log (XLOG_*_TRANS).
const (
	opStart     = 0x01
	opCommit    = 0x02
	opContinue  = 0x04 // the region goes on in the next record
	opContinued = 0x08 // the region went on from the record before
	opEnd       = 0x10
)

const (
	opHeaderSize     = 12
	transMagic       = 0x5452414e // "TRAN"
	transHeaderSize  = 16
	maxRegions       = 20000 // of an item; a buffer of 64 KiB has at most 257
	clientTrans      = 0x69
	clientLog        = 0xaa
	maxOpenTransacts = 1 << 16

	// maxHeld bounds what unfinished transactions hold, in bytes. A kernel
	// writes at most 64 MiB before it ends one (XLOG_CIL_BLOCKING_SPACE_LIMIT).
	maxHeld      = 80 << 20
	regionWeight = 48 // bytes of memory of a region besides its own
)

// transaction gathers the items of a transaction, whose regions arrive one by
// one, among those of others, and may be cut where a record ends.
type transaction struct {
	lsn    uint64 // of the record that it begins in
	header int    // bytes of its header that have come
	items  []item
	held   int // bytes
}

// item is one change: its regions. The first describes it.
type item struct {
	regions [][]byte
	total   int // regions that it will have
}

// decoder takes records apart. Commit is called for each complete transaction,
// in the order of their ends. Lengths in operations' headers are big-endian;
// the rest is in the byte order of the machine that wrote the log.
type decoder struct {
	order  binary.ByteOrder
	open   map[uint32]*transaction
	held   int // bytes of all that is open
	commit func(*transaction) error
}

// record takes the operations of one record apart.
func (d *decoder) record(r *record, data []byte) error {
	for range r.operations() {
		if len(data) < opHeaderSize {
			return fmt.Errorf("an operation's header in the record at sector %d: %w", r.at, errLogDamaged)
		}
		tid, n, client, flags := binary.BigEndian.Uint32(data), int64(binary.BigEndian.Uint32(data[4:])), data[8], data[9]
		data = data[opHeaderSize:]
		if n > int64(len(data)) || client != clientTrans && client != clientLog {
			return fmt.Errorf("an operation in the record at sector %d: %w", r.at, errLogDamaged)
		}
		if err := d.operation(r, tid, flags, data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// operation is xlog_recover_process_ophdr of fs/xfs/xfs_log_recover.c.
func (d *decoder) operation(r *record, tid uint32, flags uint8, data []byte) error {
	t := d.open[tid]
	if t == nil {
		// What belongs to a transaction that began before the tail is done.
		if flags&opStart != 0 && len(d.open) < maxOpenTransacts {
			d.open[tid] = &transaction{lsn: r.lsn()}
		}
		return nil
	}
	flags &^= opEnd
	if flags&opContinued != 0 {
		flags &^= opContinue
	}
	ok := true
	switch flags {
	case 0, opContinue:
		ok = t.add(data, d.order) && d.hold(t, len(data))
	case opContinued:
		ok = t.extend(data) && d.hold(t, len(data))
	case opCommit:
		d.close(tid, t)
		return d.commit(t)
	case opUnmount:
		d.close(tid, t)
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("transaction %d in the record at sector %d: %w", tid, r.at, errLogDamaged)
	}
	return nil
}

func (d *decoder) close(tid uint32, t *transaction) {
	delete(d.open, tid)
	d.held -= t.held
}

// hold counts what a transaction has taken, and tells whether that is bearable.
func (d *decoder) hold(t *transaction, n int) bool {
	t.held += n + regionWeight
	d.held += n + regionWeight
	return d.held <= maxHeld
}

// add takes a new region. The first region of a transaction is its header, the
// first of an item says how many the item has.
func (t *transaction) add(data []byte, order binary.ByteOrder) bool {
	if len(data) == 0 {
		return true
	}
	if t.header < transHeaderSize {
		// A header that is cut has at least its magic number.
		if t.header > 0 || len(data) < 4 || len(data) > transHeaderSize || order.Uint32(data) != transMagic {
			return false
		}
		t.header = len(data)
		return true
	}
	if n := len(t.items); n == 0 || len(t.items[n-1].regions) == t.items[n-1].total {
		if len(data) < 4 {
			return false
		}
		total := int(order.Uint16(data[2:]))
		if total == 0 || total > maxRegions {
			return false
		}
		t.items = append(t.items, item{total: total})
	}
	last := &t.items[len(t.items)-1]
	last.regions = append(last.regions, append([]byte(nil), data...)) // not the whole record
	return true
}

// extend takes the rest of a region that was cut.
func (t *transaction) extend(data []byte) bool {
	if t.header < transHeaderSize {
		t.header += len(data)
		return t.header <= transHeaderSize
	}
	if len(t.items) == 0 {
		return len(data) == 0
	}
	last := &t.items[len(t.items)-1]
	region := &last.regions[len(last.regions)-1]
	*region = append(*region, data...)
	return true
}
