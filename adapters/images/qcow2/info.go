package qcow2

import (
	"bufio"
	"encoding/binary"
	"io"

	"github.com/qedfs/qedfs/adapters/images/layer"
)

// Info returns what the image says of itself: its header, its snapshots and
// its bitmaps. What is said of the latter two may be damaged, which is an
// error; the rest is returned then.
func (m *Image) Info() (*layer.Info, error) {
	h := m.header
	info := &layer.Info{
		Format:        format,
		VirtualSize:   h.size,
		ClusterSize:   h.clusterSize(),
		BackingFile:   h.backingFile,
		BackingFormat: h.backingFormat,
		Dirty:         h.incompatible&featureDirty != 0,
	}
	snapshots, err := m.readSnapshots()
	for _, s := range snapshots {
		info.Snapshots = append(info.Snapshots, s.Snapshot)
	}
	add := func(key string, value any) { info.Details = append(info.Details, layer.Detail{Key: key, Value: value}) }
	compression := "zlib"
	if h.compression == compressionZstd {
		compression = "zstd"
	}
	if h.version == 2 {
		add("compat", "0.10")
		add("compression-type", compression)
		add("refcount-bits", int64(1)<<h.refcountOrder)
		return info, err
	}
	add("compat", "1.1")
	add("compression-type", compression)
	add("lazy-refcounts", h.compatible&compatLazyRefcounts != 0)
	bitmaps, bitmapsErr := m.readBitmaps()
	if err == nil {
		err = bitmapsErr
	}
	if len(bitmaps) > 0 {
		add("bitmaps", bitmaps)
	}
	add("refcount-bits", int64(1)<<h.refcountOrder)
	if h.hasDataFile() {
		add("data-file", h.dataFile)
		add("data-file-raw", h.autoclear&autoclearDataFileRaw != 0)
	}
	add("corrupt", h.incompatible&featureCorrupt != 0)
	add("extended-l2", h.extendedL2())
	return info, err
}

// QEMU's limits of the directory of bitmaps.
const (
	maxBitmaps          = 65535
	maxBitmapsDirectory = 1024 * maxBitmaps
	bitmapInUse         = 1 << 0
	bitmapAuto          = 1 << 1
)

// readBitmaps describes the persistent dirty bitmaps (docs/interop/qcow2.txt,
// "Bitmaps"). The extension counts only as long as a feature bit is set, which
// writers that do not know bitmaps clear.
func (m *Image) readBitmaps() ([][]layer.Detail, error) {
	h, be := m.header, binary.BigEndian
	x := h.bitmaps
	if h.autoclear&autoclearBitmaps == 0 || x.count == 0 {
		return nil, nil
	}
	if x.count > maxBitmaps || x.size > maxBitmapsDirectory || x.offset > uint64(m.fileSize) {
		return nil, layer.Corrupt(format, "%d bitmaps in a directory of %d bytes at %#x", x.count, x.size, x.offset)
	}
	directory := bufio.NewReader(io.NewSectionReader(m.r, int64(x.offset), int64(x.size)))
	var list [][]layer.Detail
	for i := range x.count {
		var b [24]byte
		if _, err := io.ReadFull(directory, b[:]); err != nil {
			return list, layer.Corrupt(format, "the directory of bitmaps ends in entry %d of %d", i, x.count)
		}
		flags, granularity := be.Uint32(b[12:]), b[17]
		nameLen, extraLen := int(be.Uint16(b[18:])), int64(be.Uint32(b[20:]))
		_, err := directory.Discard(int(min(extraLen, maxBitmapsDirectory)))
		name := make([]byte, nameLen)
		if err == nil {
			_, err = io.ReadFull(directory, name)
		}
		if err != nil || granularity > 63 {
			return list, layer.Corrupt(format, "entry %d of the directory of bitmaps is damaged", i)
		}
		if pad := -(24 + extraLen + int64(nameLen)) & 7; pad > 0 {
			_, _ = directory.Discard(int(pad)) // the next entry finds it missing
		}
		set := []string{}
		if flags&bitmapInUse != 0 {
			set = append(set, "in-use")
		}
		if flags&bitmapAuto != 0 {
			set = append(set, "auto")
		}
		list = append(list, []layer.Detail{{Key: "flags", Value: set}, {Key: "name", Value: string(name)}, {Key: "granularity", Value: uint64(1) << granularity}})
	}
	return list, nil
}
