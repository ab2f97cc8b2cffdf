package ext4

import (
	"fmt"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Tags of fast commits (fs/ext4/fast_commit.h): a tag and a length, two bytes
// each, and the value.
const (
	fastAddRange = 1
	fastDelRange = 2
	fastCreate   = 3
	fastLink     = 4
	fastUnlink   = 5
	fastInode    = 6
	fastPad      = 7
	fastTail     = 8
	fastHead     = 9

	fastTagSize = 4
)

// fastTagged is a tag of a fast commit that is complete.
type fastTagged struct {
	tag   uint16
	value []byte
}

func (t fastTagged) isName() bool {
	return (t.tag == fastCreate || t.tag == fastLink || t.tag == fastUnlink) && len(t.value) > 8
}

func (t fastTagged) name() (parent, ino uint32, name string) {
	return le.Uint32(t.value), le.Uint32(t.value[4:]), string(t.value[8:])
}

// fastTags reads the fast commits that belong to the transaction after the
// last one, as far as they are complete (ext4_fc_replay_scan in
// fs/ext4/fast_commit.c). They begin with a head, and each ends with a tail.
func (j *journal) fastTags(sequence uint32) ([]fastTagged, error) {
	if !j.incompat.has(journalFastCommit) || j.start == 0 {
		return nil, nil
	}
	s := fastScan{sequence: sequence}
	for n := j.end + 1; n < j.length; n++ {
		b, _, err := j.block(n)
		if err != nil {
			return nil, err
		}
		for off := 0; off+fastTagSize <= len(b); {
			size := fastTagSize + int(le.Uint16(b[off+2:]))
			if size > len(b)-off {
				return s.done, nil
			}
			if more, err := s.tag(b[off:][:size]); !more || err != nil {
				return s.done, err
			}
			off += size
		}
	}
	return s.done, nil
}

// fastScan collects tags.
type fastScan struct {
	sequence   uint32
	sum        uint32 // of the commit that is read
	begun      bool
	open, done []fastTagged // of that commit, of those before it
}

// tag takes one tag with its header; more tells whether another may follow.
func (s *fastScan) tag(whole []byte) (more bool, err error) {
	t := fastTagged{tag: le.Uint16(whole), value: whole[fastTagSize:]}
	switch {
	case t.tag == fastHead && len(t.value) >= 8:
		if features := le.Uint32(t.value); features != 0 {
			return false, fmt.Errorf("ext4: fast commits with features %#x: %w", features, fstree.ErrUnsupported)
		}
		if le.Uint32(t.value[4:]) != s.sequence {
			return false, nil
		}
		s.begun = true
	case !s.begun:
		return false, nil
	case t.tag == fastTail && len(t.value) >= 8:
		sum := crc32c(s.sum, whole[:fastTagSize+4])
		if le.Uint32(t.value) != s.sequence || le.Uint32(t.value[4:]) != sum {
			return false, nil
		}
		s.done, s.open, s.sum = append(s.done, s.open...), nil, 0
		return true, nil
	case t.tag < fastAddRange || t.tag > fastPad:
		return false, nil
	}
	if len(s.done)+len(s.open) >= maxReplayed {
		return false, damagedJournal(-1, "more than %d tags of fast commits", maxReplayed)
	}
	s.sum = crc32c(s.sum, whole)
	s.open = append(s.open, t)
	return true, nil
}
