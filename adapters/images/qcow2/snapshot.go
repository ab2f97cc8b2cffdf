package qcow2

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/qedfs/qedfs/adapters/images/layer"
)

// QEMU's limits of the table of snapshots.
const (
	maxSnapshots      = 65536
	maxSnapshotsBytes = 1024 * maxSnapshots
	maxSnapshotExtra  = 1024
)

// snapshot is an entry of the snapshot table (docs/interop/qcow2.txt,
// "Snapshots").
type snapshot struct {
	layer.Snapshot
	l1Offset, l1Entries int64
	bytes               int64 // of the entry, as far as the next one
	incomplete          bool  // it lacks what version 3 requires
}

// readSnapshots reads the snapshot table.
func (m *Image) readSnapshots() ([]snapshot, error) { return m.readSnapshotsOf(m.r) }

func (m *Image) readSnapshotsOf(r io.ReaderAt) ([]snapshot, error) {
	h := m.header
	if h.snapshots == 0 {
		return nil, nil
	}
	if h.snapshots > maxSnapshots || h.snapshotsOffset < 0 || h.snapshotsOffset&(h.clusterSize()-1) != 0 {
		return nil, layer.Invalid(format, "%d snapshots at %#x", h.snapshots, uint64(h.snapshotsOffset))
	}
	table := bufio.NewReader(io.NewSectionReader(r, h.snapshotsOffset, maxSnapshotsBytes))
	var list []snapshot
	for i := range h.snapshots {
		s, err := h.readSnapshot(table)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil, layer.Corrupt(format, "the snapshot table is cut off in entry %d of %d", i, h.snapshots)
		}
		if err != nil {
			return nil, fmt.Errorf("qcow2: snapshot %d: %w", i, err)
		}
		list = append(list, s)
	}
	return list, nil
}

// readSnapshot reads the next entry of the table.
func (h *header) readSnapshot(table *bufio.Reader) (s snapshot, err error) {
	var b [40]byte
	if _, err := io.ReadFull(table, b[:]); err != nil {
		return s, err
	}
	be := binary.BigEndian
	s.l1Offset, s.l1Entries = int64(be.Uint64(b[:])), int64(be.Uint32(b[8:]))
	idLen, nameLen := int(be.Uint16(b[12:])), int(be.Uint16(b[14:]))
	s.DateSec, s.DateNsec = int64(be.Uint32(b[16:])), int64(be.Uint32(b[20:]))
	s.ClockNsec = int64(be.Uint64(b[24:]))
	s.VMStateSize = int64(be.Uint32(b[32:]))
	s.DiskSize, s.ICount = h.size, -1
	extraLen := be.Uint32(b[36:])
	if extraLen > maxSnapshotExtra {
		return s, layer.Corrupt(format, "%d bytes of extra data", extraLen)
	}
	rest := make([]byte, int(extraLen)+idLen+nameLen)
	if _, err := io.ReadFull(table, rest); err != nil {
		return s, err
	}
	s.bytes = int64(len(b)+len(rest)+7) &^ 7
	// The file may end with the last entry, without what fills it up.
	if _, err := table.Discard(int(s.bytes) - len(b) - len(rest)); err != nil && err != io.EOF {
		return s, err
	}
	s.incomplete = h.version > 2 && extraLen < 16
	extra := rest[:extraLen]
	if len(extra) >= 8 {
		s.VMStateSize = int64(be.Uint64(extra))
	}
	if len(extra) >= 16 {
		s.DiskSize = int64(be.Uint64(extra[8:])) &^ (sectorSize - 1)
	}
	if len(extra) >= 24 {
		s.ICount = int64(be.Uint64(extra[16:]))
	}
	s.ID = string(rest[extraLen:][:idLen])
	s.Name = string(rest[int(extraLen)+idLen:][:nameLen])
	return s, nil
}

// useSnapshot makes the image show a snapshot, which it finds by its ID or
// else by its name, as QEMU does. It returns the size of the disk.
func (m *Image) useSnapshot(idOrName string) (int64, error) {
	list, err := m.readSnapshots()
	if err != nil {
		return 0, err
	}
	found := -1
	for i := range list {
		if list[i].ID == idOrName {
			found = i
			break
		}
		if list[i].Name == idOrName && found < 0 {
			found = i
		}
	}
	if found < 0 {
		return 0, fmt.Errorf("qcow2: snapshot %q: %w", idOrName, layer.ErrNoSnapshot)
	}
	s := list[found]
	if err := m.header.checkL1(s.l1Offset, s.l1Entries, m.fileSize); err != nil {
		return 0, err
	}
	if s.DiskSize < 0 {
		return 0, layer.Corrupt(format, "snapshot %q: a disk of %d bytes", idOrName, uint64(s.DiskSize))
	}
	m.l1Offset, m.l1Entries = s.l1Offset, s.l1Entries
	return s.DiskSize, nil
}
