package ext4

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// overAndOver maps every block of a file to the same one.
type overAndOver struct{ physical uint64 }

func (m overAndOver) run(uint64) (run, error) {
	return run{count: 1, physical: m.physical, stored: true}, nil
}

func TestAJournalOfOneBlockOverAndOverEnds(t *testing.T) {
	const blockBits, at, sequence = 10, 5, 7
	header := func(kind uint32) []byte {
		b := be.AppendUint32(nil, journalMagic)
		b = be.AppendUint32(b, kind)
		b = be.AppendUint32(b, sequence)
		return be.AppendUint32(b, 1<<blockBits)
	}
	head := []byte{fastHead, 0, 8, 0, 0, 0, 0, 0, sequence, 0, 0, 0}
	pads := bytes.Repeat([]byte{fastPad, 0, 0, 0}, (1<<blockBits-len(head))/fastTagSize)
	for want, block := range map[string][]byte{
		"revocations": header(blockRevoke), "to replay": header(blockDescriptor), "fast commits": append(head, pads...),
	} {
		image := make([]byte, 16<<blockBits)
		copy(image[at<<blockBits:], block)
		j := &journal{
			e: &engine{sb: &superblock{blockBits: blockBits, blockSize: 1 << blockBits, blocks: 16},
				cache: fstree.NewCache(bytes.NewReader(image), int64(len(image)), 0)},
			m: overAndOver{at}, first: 1, end: 1 << 30, length: 1 << 31, start: 1, sequence: sequence, incompat: journalFastCommit,
		}
		r, _, err := j.recover()
		if err == nil {
			_, err = j.fastTags(r.sequence)
		}
		if !errors.Is(err, fstree.ErrDamaged) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
