package ext4

import (
	"iter"
	"maps"
	"slices"
)

// fastCommits is what fast commits change. They follow the last transaction
// of the journal and say what happened, not which blocks hold it: so they are
// kept beside the volume, and asked before it. A nil *fastCommits changes
// nothing.
type fastCommits struct {
	inodes map[uint32][]byte            // as they are on disk, with what changed
	ranges map[uint32][]fastRange       // in order, without overlap
	names  map[uint32]map[string]uint32 // by directory; 0 for a name that is gone
}

// fastRange is a changed part of a file's map: [logical, end).
type fastRange struct {
	logical, end uint64
	physical     uint64 // 0 for a hole
	stored       bool
}

// at is where a block of the range lies on the volume.
func (r fastRange) at(logical uint64) uint64 {
	if r.physical == 0 {
		return 0
	}
	return r.physical + logical - r.logical
}

// replayFast makes the changes of fast commits known to an engine that shows
// the volume after the transactions before them.
func (e *engine) replayFast(tags []fastTagged) error {
	f := &fastCommits{
		inodes: map[uint32][]byte{},
		ranges: map[uint32][]fastRange{},
		names:  map[uint32]map[string]uint32{},
	}
	present, err := e.namesPresent(tags)
	if err != nil {
		return err
	}
	for _, t := range tags {
		if err := e.replayTag(f, t, present); err != nil {
			return err
		}
	}
	for num, list := range f.ranges {
		f.ranges[num] = paint(list)
	}
	e.fast = f
	return nil
}

// namesPresent returns where the names that fast commits make or remove lead
// to before them, 0 where they are not there. It reads every directory once.
func (e *engine) namesPresent(tags []fastTagged) (map[uint32]map[string]uint32, error) {
	present := map[uint32]map[string]uint32{}
	for _, t := range tags {
		if t.isName() {
			parent, _, name := t.name()
			if present[parent] == nil {
				present[parent] = map[string]uint32{}
			}
			present[parent][name] = 0
		}
	}
	for parent, names := range present {
		in, err := e.anyInode(uint64(parent))
		if err != nil {
			return nil, err
		}
		// A directory that is itself new is not one yet.
		if in.links == 0 || !in.isType(modeDir) {
			continue
		}
		for d, err := range e.dirents(in) {
			if err != nil {
				return nil, err
			}
			if _, wanted := names[string(d.name)]; wanted {
				names[string(d.name)] = d.ino
			}
		}
	}
	return present, nil
}

// replayTag notes one change. A name that is there already, or gone already,
// was written back before the crash.
func (e *engine) replayTag(f *fastCommits, t fastTagged, present map[uint32]map[string]uint32) error {
	v := t.value
	switch {
	case t.tag == fastPad || t.tag == fastHead:
	case t.tag == fastInode && len(v) > 4:
		return e.replayInode(f, le.Uint32(v), v[4:])
	case t.tag == fastAddRange && len(v) >= 4+extentSize:
		leaf := extentNode{entries: v[4:][:extentSize]}
		logical, r := leaf.extent(0)
		if !e.sb.holds(r.physical, r.count) {
			return damagedJournal(-1, "a fast commit maps blocks %d+%d", r.physical, r.count)
		}
		f.setRange(le.Uint32(v), fastRange{logical, logical + r.count, r.physical, r.stored})
	case t.tag == fastDelRange && len(v) >= 12:
		logical := uint64(le.Uint32(v[4:]))
		f.setRange(le.Uint32(v), fastRange{logical: logical, end: logical + uint64(le.Uint32(v[8:]))})
	case t.isName():
		parent, ino, name := t.name()
		switch now := present[parent][name]; {
		case t.tag != fastUnlink && now == 0:
			f.setName(present, parent, name, ino)
		case t.tag == fastUnlink && now == ino:
			f.setName(present, parent, name, 0)
		}
	default:
		return damagedJournal(-1, "tag %d of %d bytes in a fast commit", t.tag, len(v))
	}
	return nil
}

func (f *fastCommits) setName(present map[uint32]map[string]uint32, dir uint32, name string, ino uint32) {
	present[dir][name] = ino
	if f.names[dir] == nil {
		f.names[dir] = map[string]uint32{}
	}
	f.names[dir][name] = ino
}

func (f *fastCommits) setRange(num uint32, r fastRange) {
	if r.logical < r.end {
		f.ranges[num] = append(f.ranges[num], r)
	}
}

// replayInode takes over an inode but for its map, which other tags change,
// unless it holds data itself (ext4_fc_replay_inode).
func (e *engine) replayInode(f *fastCommits, num uint32, changed []byte) error {
	const mapAt, mapEnd = 0x28, 0x28 + blockMapSize
	old, ok := f.inode(uint64(num))
	if !ok {
		var err error
		if old, _, err = e.rawInode(uint64(num)); err != nil {
			return err
		}
	}
	if len(changed) < goodOldInodeSize || len(changed) > len(old) {
		return damagedJournal(-1, "an inode of %d bytes in a fast commit", len(changed))
	}
	raw := slices.Clone(old)
	copy(raw[:mapAt], changed)
	copy(raw[mapEnd:], changed[mapEnd:])
	switch flags := le.Uint32(raw[0x20:]); {
	case flags&flagExtents != 0 && le.Uint16(raw[mapAt:]) != extentMagic:
		clear(raw[mapAt:mapEnd])
		le.PutUint16(raw[mapAt:], extentMagic)
		le.PutUint16(raw[mapAt+4:], (blockMapSize-extentHeaderSize)/extentSize)
	case flags&flagInlineData != 0:
		copy(raw[mapAt:mapEnd], changed[mapAt:])
	}
	f.inodes[num] = raw
	return nil
}

// paint makes ranges that were set one after another, the later over the
// earlier, into a list in order and without overlap. It goes from the last to
// the first: what is painted stays, and is jumped over.
func paint(list []fastRange) []fastRange {
	var cuts []uint64
	for _, r := range list {
		cuts = append(cuts, r.logical, r.end)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	next := make([]int, len(cuts)) // from each piece to itself, or on if it is painted
	for i := range next {
		next[i] = i
	}
	free := func(i int) int {
		for next[i] != i {
			next[i] = next[next[i]]
			i = next[i]
		}
		return i
	}
	painted := make([]fastRange, len(cuts))
	for _, r := range slices.Backward(list) {
		first, _ := slices.BinarySearch(cuts, r.logical)
		for i := free(first); cuts[i] < r.end; i = free(i) {
			painted[i] = fastRange{cuts[i], cuts[i+1], r.at(cuts[i]), r.stored}
			next[i] = i + 1
		}
	}
	return slices.DeleteFunc(painted, func(r fastRange) bool { return r.end == 0 })
}

// inode returns a changed inode.
func (f *fastCommits) inode(num uint64) ([]byte, bool) {
	if f == nil {
		return nil, false
	}
	raw, ok := f.inodes[uint32(num)]
	return raw, ok
}

// name returns where a changed name leads to, 0 if it is gone.
func (f *fastCommits) name(dir uint32, name []byte) (ino uint32, changed bool) {
	if f == nil {
		return 0, false
	}
	ino, changed = f.names[dir][string(name)]
	return ino, changed
}

// added yields the names that are new in a directory.
func (f *fastCommits) added(dir uint32) iter.Seq2[string, uint32] {
	return func(yield func(string, uint32) bool) {
		if f == nil {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(f.names[dir])) {
			if ino := f.names[dir][name]; ino != 0 && !yield(name, ino) {
				return
			}
		}
	}
}

// changedMap is a file's map with the changes of fast commits.
type changedMap struct {
	mapping
	ranges []fastRange
}

// mapping wraps the map of an inode if it has changes.
func (f *fastCommits) mapping(num uint32, m mapping) mapping {
	if f == nil || len(f.ranges[num]) == 0 {
		return m
	}
	return &changedMap{mapping: m, ranges: f.ranges[num]}
}

// run implements [mapping].
func (m *changedMap) run(logical uint64) (run, error) {
	i, _ := slices.BinarySearchFunc(m.ranges, logical, func(r fastRange, at uint64) int {
		if r.end <= at {
			return -1
		}
		return 1
	})
	if i == len(m.ranges) {
		return m.mapping.run(logical)
	}
	if r := m.ranges[i]; r.logical <= logical {
		return run{count: r.end - logical, physical: r.at(logical), stored: r.stored}, nil
	}
	r, err := m.mapping.run(logical)
	r.count = min(r.count, m.ranges[i].logical-logical)
	return r, err
}
