package xfs

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

// dirty opens the committed image with a dirty log as the replay does.
func dirty(tb testing.TB) (image []byte, j *journal, s span, p *replay) {
	tb.Helper()
	image = fstreetest.Image(tb, "xfs-dirty")
	r := bytes.NewReader(image)
	sb, err := readSuperblock(r, r.Size(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	start, _ := sb.blockOffset(sb.logStart, uint64(sb.logBlocks))
	j = &journal{r: r, start: start, sectors: int64(sb.logBlocks) << sb.blockLog / sectorSize, v2: sb.logV2, v5: sb.v5}
	if s, err = j.span(); err != nil || s.clean {
		tb.Fatal(s, err)
	}
	p = newReplay(r, r.Size(), &sb)
	if err := p.formatOf(s.last); err != nil {
		tb.Fatal(err)
	}
	return image, j, s, p
}

// FuzzLog replays records whose checksum is taken for right.
func FuzzLog(f *testing.F) {
	image, j, s, p := dirty(f)
	for at := s.tail; at != s.head; {
		r, err := j.record(at)
		if err != nil {
			f.Fatal(err)
		}
		data, err := j.data(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		at = (at + r.size()) % j.sectors
	}
	header := make([]byte, sectorSize)
	binary.BigEndian.PutUint32(header[40:], 1<<20)
	binary.BigEndian.PutUint64(header[16:], ^uint64(0))
	f.Fuzz(func(t *testing.T, data []byte) {
		fresh := newReplay(bytes.NewReader(image), p.size, p.sb)
		fresh.order = p.order
		for _, commit := range []func(*transaction) error{fresh.noteCancelled, fresh.apply} {
			d := decoder{order: p.order, open: map[uint32]*transaction{}, commit: commit}
			_ = d.record(&record{header: header}, data)
		}
		fresh.overlay.freeze()
		if len(fresh.overlay.order) > maxOverlay {
			t.Fatal(len(fresh.overlay.order))
		}
	})
}

// TestDamagedLogDoesNoHarm does some of the same in every test run.
func TestDamagedLogDoesNoHarm(t *testing.T) {
	_, j, s, p := dirty(t)
	rng := rand.New(rand.NewPCG(1, 2))
	replayed := 0
	for at := s.tail; at != s.head; {
		r, err := j.record(at)
		if err != nil {
			t.Fatal(err)
		}
		data, err := j.data(r)
		if err != nil {
			t.Fatal(err)
		}
		for range 300 {
			changed := bytes.Clone(data)
			for range 1 + rng.IntN(4) {
				changed[rng.IntN(len(changed))] = byte(rng.Uint32())
			}
			d := decoder{order: p.order, open: map[uint32]*transaction{}, commit: p.apply}
			if d.record(r, changed) == nil {
				replayed++
			}
		}
		at = (at + r.size()) % j.sectors
	}
	if replayed == 0 {
		t.Error("all changes were noticed, so that nothing was tried")
	}
}
