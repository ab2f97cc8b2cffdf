package rpmdb

import "fmt"

// ndb (rpm's lib/backend/ndb/rpmpkg.c): pages of slots, a slot for each package,
// and the packages in blocks of 16 bytes. All numbers are little-endian.
//
//	header (32 bytes): "RpmP", version, generation, pages of slots
//	slot (16 bytes):   "Slot", package, first block, blocks
//	blob:              "BlbS", package, time, length; bytes; sum, length, "BlbE"

const (
	ndbPage  = 4096
	ndbSlot  = 16
	ndbBlock = 16
	ndbHead  = 16 // of a blob
	ndbTail  = 12
)

func isNDB(head []byte) bool { return len(head) >= 32 && string(head[:4]) == "RpmP" }

func (r *reader) ndb(yield func([]byte, error) bool) error {
	head, err := r.bytes(0, 32)
	if err != nil {
		return err
	}
	if version := le.Uint32(head[4:]); version != 0 {
		return fmt.Errorf("%w: ndb of version %d", ErrFormat, version)
	}
	pages := le.Uint32(head[12:])
	page := make([]byte, ndbPage)
	var blob []byte
	for n := range pages {
		b, err := r.bytes(int64(n)*ndbPage, ndbPage)
		if err != nil {
			return err
		}
		slots := page[:copy(page, b)]
		if n == 0 {
			slots = slots[32:]
		}
		for ; len(slots) > 0; slots = slots[ndbSlot:] {
			if string(slots[:4]) != "Slot" {
				return fmt.Errorf("%w: page %d has what is no slot", ErrFormat, n)
			}
			if le.Uint32(slots[8:]) == 0 {
				continue // free
			}
			var err error
			blob, err = r.ndbBlob(blob[:0], slots)
			if err := give(yield, blob, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// ndbBlob reads the blob of a slot.
func (r *reader) ndbBlob(blob, slot []byte) ([]byte, error) {
	number := le.Uint32(slot[4:])
	at, blocks := int64(le.Uint32(slot[8:]))*ndbBlock, uint64(le.Uint32(slot[12:]))
	head, err := r.bytes(at, ndbHead)
	if err != nil {
		return blob, err
	}
	size := uint64(le.Uint32(head[12:]))
	if string(head[:4]) != "BlbS" || le.Uint32(head[4:]) != number || blocks != (ndbHead+size+ndbTail+ndbBlock-1)/ndbBlock {
		return blob, fmt.Errorf("%w: package %d is not at its place", ErrFormat, number)
	}
	if err := checkBlob(size); err != nil {
		return blob, err
	}
	if blob, err = r.append(blob, at+ndbHead, int(size)); err != nil {
		return blob, err
	}
	tail, err := r.bytes(at+int64(blocks)*ndbBlock-ndbTail, ndbTail)
	if err != nil {
		return blob, err
	}
	if uint64(le.Uint32(tail[4:])) != size || string(tail[8:]) != "BlbE" {
		return blob, fmt.Errorf("%w: package %d has no end", ErrFormat, number)
	}
	return blob, nil
}
