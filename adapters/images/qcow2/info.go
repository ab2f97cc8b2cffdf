package qcow2

import "github.com/qedfs/qedfs/adapters/images/layer"

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
		add("bitmaps", describeBitmaps(bitmaps))
	}
	add("refcount-bits", int64(1)<<h.refcountOrder)
	if h.hasDataFile() {
		info.Files = []string{h.dataFile}
		add("data-file", h.dataFile)
		add("data-file-raw", h.autoclear&autoclearDataFileRaw != 0)
	}
	add("corrupt", h.incompatible&featureCorrupt != 0)
	add("extended-l2", h.extendedL2())
	return info, err
}

// describeBitmaps describes the bitmaps as qemu-img does.
func describeBitmaps(bitmaps []bitmap) [][]layer.Detail {
	var list [][]layer.Detail
	for _, b := range bitmaps {
		set := []string{}
		if b.flags&bitmapInUse != 0 {
			set = append(set, "in-use")
		}
		if b.flags&bitmapAuto != 0 {
			set = append(set, "auto")
		}
		list = append(list, []layer.Detail{{Key: "flags", Value: set}, {Key: "name", Value: b.name}, {Key: "granularity", Value: uint64(1) << b.granularity}})
	}
	return list
}
