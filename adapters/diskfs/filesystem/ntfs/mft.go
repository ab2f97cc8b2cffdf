package ntfs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend"
)

// maxList is the largest attribute list that NTFS itself writes.
const maxList = 256 << 10

// readMFT finds where the table's records lie: what record 0 says, and if its
// attributes did not fit there, what the records say that it names, each of
// which must lie in a part of the table that is known by then.
func (v *volume) readMFT() error {
	v.mft = stream{v: v, runs: []run{{0, (v.boot.record + v.boot.cluster - 1) / v.boot.cluster, v.boot.mft / v.boot.cluster}}}
	v.mft.size, v.mft.valid = v.boot.record, v.boot.record
	first, err := v.record(recordMFT)
	if err != nil {
		return err
	}
	var table *stream
	for a, err := range first.attributes() {
		if err != nil {
			return err
		}
		if a.kind == attrData && a.name == "" && !a.resident {
			if table, err = v.newStream(a); err != nil {
				return damaged("MFT", -1, "%v", err)
			}
		}
	}
	if table == nil {
		return damaged("MFT", -1, "its record has no data")
	}
	v.mft = *table
	f, err := v.file(recordMFT)
	if err != nil {
		return err
	}
	if table, err = f.stream(attrData, ""); err != nil {
		return err
	}
	v.mft = *table
	return nil
}

// record reads an MFT record that is in use.
func (v *volume) record(number uint64) (*record, error) {
	off := int64(number) * v.boot.record
	if number > refNumber || off > v.mft.size-v.boot.record {
		return nil, damaged(recordName(number), -1, "past the end of the MFT")
	}
	b, err := v.mft.metadata(off, v.boot.record)
	if err != nil {
		return nil, err
	}
	b = bytes.Clone(b) // the cache's own bytes are not to be changed
	if err := fixup(b, "FILE"); err != nil {
		return nil, damaged(recordName(number), -1, "%v", err)
	}
	used := le.Uint32(b[24:])
	if used < 48 || int64(used) > int64(len(b)) {
		return nil, damaged(recordName(number), -1, "%d bytes in use", used)
	}
	r := &record{number, b[:used]}
	if r.flags()&flagInUse == 0 {
		return nil, damaged(recordName(number), -1, "not in use")
	}
	return r, nil
}

// file is a base record with the records that its attribute list names.
type file struct {
	v       *volume
	records []*record
}

// file reads a file by its reference; a sequence number in it must be the
// record's.
func (v *volume) file(ref uint64) (*file, error) {
	base, err := v.record(ref & refNumber)
	if err != nil {
		return nil, err
	}
	if seq := uint16(ref >> refSequence); seq != 0 && seq != base.sequence() {
		return nil, damaged(recordName(base.number), -1, "sequence %d, its reference has %d", base.sequence(), seq)
	}
	if base.base() != 0 {
		return nil, damaged(recordName(base.number), -1, "an extension of record %d", base.base())
	}
	f := &file{v, []*record{base}}
	list, err := f.list()
	if err != nil {
		return nil, err
	}
	seen := map[uint64]bool{base.number: true}
	for len(list) >= 26 {
		n := int(le.Uint16(list[4:]))
		if n < 26 || n > len(list) {
			return nil, damaged(recordName(base.number), -1, "an entry of %d bytes in the attribute list", n)
		}
		number := le.Uint64(list[16:]) & refNumber
		list = list[n:]
		if seen[number] {
			continue
		}
		seen[number] = true
		r, err := v.record(number)
		if err != nil {
			return nil, err
		}
		if r.base() != base.number {
			return nil, damaged(recordName(number), -1, "an extension of record %d, not %d", r.base(), base.number)
		}
		f.records = append(f.records, r)
	}
	return f, nil
}

// list returns the attribute list, nil if there is none.
func (f *file) list() ([]byte, error) {
	for a, err := range f.records[0].attributes() {
		if err != nil {
			return nil, err
		}
		if a.kind != attrList {
			continue
		}
		s, err := f.v.newStream(a)
		if err != nil {
			return nil, damaged(recordName(f.records[0].number), -1, "attribute list: %v", err)
		}
		return s.whole(maxList)
	}
	return nil, nil
}

// attributes calls each with the attributes of all records of the file, until
// it returns false.
func (f *file) attributes(each func(attribute) bool) error {
	for _, r := range f.records {
		for a, err := range r.attributes() {
			if err != nil {
				return err
			}
			if !each(a) {
				return nil
			}
		}
	}
	return nil
}

// errNoAttribute is returned by stream for what a file does not have.
var errNoAttribute = errors.New("ntfs: no such attribute")

// stream returns the value of an attribute, put together from its pieces,
// whose order in the records is not that of their clusters.
func (f *file) stream(kind uint32, name string) (*stream, error) {
	var pieces []attribute
	err := f.attributes(func(a attribute) bool {
		if a.kind == kind && a.name == name {
			pieces = append(pieces, a)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if len(pieces) == 0 {
		return nil, errNoAttribute
	}
	slices.SortStableFunc(pieces, func(a, b attribute) int { return cmp.Compare(a.lowestVCN, b.lowestVCN) })
	s, err := f.v.newStream(pieces[0])
	for _, a := range pieces[1:] {
		if err == nil {
			s.runs, err = decodeRuns(s.runs, a, f.v.clusters())
		}
	}
	if err == nil {
		err = s.checkStored()
	}
	if errors.Is(err, fstree.ErrEncrypted) || errors.Is(err, fstree.ErrUnsupported) {
		return nil, err
	}
	if err != nil {
		return nil, damaged(fmt.Sprintf("attribute %#x of %s", kind, recordName(f.records[0].number)), -1, "%v", err)
	}
	return s, nil
}

// checkStored makes sure that a stream does not map the volume's clusters again and
// again: files of NTFS share none.
func (s *stream) checkStored() error {
	stored := int64(0)
	for _, r := range s.runs {
		if r.lcn >= 0 {
			stored += r.length
		}
	}
	if stored > s.v.clusters() {
		return fmt.Errorf("%d clusters are stored, more than the volume has", stored)
	}
	return nil
}

// value returns all of an attribute that is known to be small.
func (f *file) value(kind uint32, name string, limit int64) ([]byte, error) {
	s, err := f.stream(kind, name)
	if err != nil {
		return nil, err
	}
	return s.whole(limit)
}

func (s *stream) whole(limit int64) ([]byte, error) {
	if s.size > limit {
		return nil, damaged("attribute", -1, "%d bytes, more than %d", s.size, limit)
	}
	b := make([]byte, s.size)
	if _, err := backend.ReadFull(s, b, 0); err != nil {
		return nil, err
	}
	return b, nil
}
