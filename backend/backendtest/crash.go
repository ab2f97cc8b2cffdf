package backendtest

import (
	"bytes"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"

	"github.com/qedfs/qedfs/backend"
)

// crashSector is what a disk writes whole or not at all.
const crashSector = 512

// Crash is a storage in memory that records every change, and makes from the
// record what a crash can leave: everything that was synced, and of the rest
// any part. A large write may be torn between its 512-byte sectors, and a
// length may be there without the bytes.
//
// The record is a list of events, a write, a truncation or a sync each, and a
// crash happens at a point of it: point n lies after the first n events, point
// 0 before all of them and point Len() now. The storages it makes are
// independent of it and of each other; it can go on being used, and the record
// stays readable after Close. It is safe for concurrent use.
type Crash struct {
	mu     sync.Mutex
	now    *backend.Memory // what a reader sees
	start  *backend.Memory // as it was before the first event
	events []crashEvent

	// reached is the storage after the first reachedAt events, kept because
	// the points that are asked for mostly rise.
	reached   *backend.Memory
	reachedAt int
}

// CrashEvent is a recorded change.
type CrashEvent struct {
	Op  Op    // OpWrite, OpTruncate, OpPunch or OpSync
	Off int64 // where a write or a hole begins, or the size that a truncation sets; in bytes
	Len int64 // bytes of a write or a hole
}

func (e CrashEvent) String() string {
	switch e.Op {
	case OpWrite:
		return fmt.Sprintf("write %d bytes at %d", e.Len, e.Off)
	case OpTruncate:
		return fmt.Sprintf("truncate to %d", e.Off)
	case OpPunch:
		return fmt.Sprintf("punch %d bytes at %d", e.Len, e.Off)
	}
	return e.Op.String()
}

type crashEvent struct {
	op   Op
	off  int64
	n    int64  // bytes of a write or a hole
	data []byte // what is written
}

var (
	_ backend.Storage     = (*Crash)(nil)
	_ backend.DataFinder  = (*Crash)(nil)
	_ backend.HolePuncher = (*Crash)(nil)
)

// NewCrash returns a storage that holds a copy of content, all of it synced.
// With nil it is empty.
func NewCrash(content *backend.Memory) *Crash {
	if content == nil {
		content = backend.NewMemory(nil)
	}
	return &Crash{now: content.Clone(), start: content.Clone(), reached: content.Clone()}
}

// Len returns the number of events up to now. Taken after a Sync, it is the
// first point at which everything before is safe.
func (c *Crash) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.events)
}

// Events returns the record, in the order in which the changes were made.
func (c *Crash) Events() []CrashEvent {
	c.mu.Lock()
	defer c.mu.Unlock()
	events := make([]CrashEvent, len(c.events))
	for i, e := range c.events {
		events[i] = CrashEvent{Op: e.op, Off: e.off, Len: e.n}
	}
	return events
}

// Prefix returns what a crash at point n leaves if every change before it has
// reached the disk, and none after.
func (c *Crash) Prefix(n int) *backend.Memory {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reach(n).Clone()
}

// Prefixes yields every point of the record, from 0 to now, with [Crash.Prefix]
// of it. The storages may be changed.
func (c *Crash) Prefixes() iter.Seq2[int, *backend.Memory] {
	return func(yield func(int, *backend.Memory) bool) {
		for n := range c.Len() + 1 {
			if !yield(n, c.Prefix(n)) {
				return
			}
		}
	}
}

// Synced returns how many events are safe from a crash at point n: those up to
// the last sync before it.
func (c *Crash) Synced(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.synced(n)
}

func (c *Crash) synced(n int) int {
	for n > 0 && c.events[n-1].op != OpSync {
		n--
	}
	return n
}

// Subset returns what a crash at point n leaves if of the changes that were
// not synced those have reached the disk that keep chooses, by the index of
// their event.
func (c *Crash) Subset(n int, keep func(event int) bool) *backend.Memory {
	c.mu.Lock()
	defer c.mu.Unlock()
	safe := c.synced(n)
	disk := c.reach(safe).Clone()
	for i, e := range c.events[safe:n] {
		if keep(safe + i) {
			e.apply(disk)
		}
	}
	return disk
}

// CrashClone returns what a crash at this moment may leave, chosen at random:
// whatever was synced, and of the rest any part.
func (c *Crash) CrashClone(rng *rand.Rand) *backend.Memory { return c.CrashAt(c.Len(), rng) }

// CrashAt is [Crash.CrashClone] for a crash at point n of the record.
func (c *Crash) CrashAt(n int, rng *rand.Rand) *backend.Memory {
	c.mu.Lock()
	defer c.mu.Unlock()
	safe := c.synced(n)
	disk := c.reach(safe).Clone()
	// Nearly all and nearly nothing are the likely states of a real disk, and
	// those in which a single missing change shows.
	odds := []float64{0.05, 0.5, 0.95}[rng.IntN(3)]
	for _, e := range c.events[safe:n] {
		switch {
		case e.op&(OpWrite|OpPunch) != 0 && rng.IntN(8) == 0:
			e.tear(disk, rng)
		case rng.Float64() < odds:
			e.apply(disk)
		case rng.IntN(4) == 0:
			e.grow(disk)
		}
	}
	return disk
}

// reach returns the storage after the first n events. It is not to be changed.
func (c *Crash) reach(n int) *backend.Memory {
	if c.reachedAt > n {
		c.reached, c.reachedAt = c.start.Clone(), 0
	}
	for _, e := range c.events[c.reachedAt:n] {
		e.apply(c.reached)
	}
	c.reachedAt = n
	return c.reached
}

// apply repeats a change. A change that was possible once cannot fail here.
func (e crashEvent) apply(disk *backend.Memory) {
	switch e.op {
	case OpWrite:
		disk.WriteAt(e.data, e.off)
	case OpTruncate:
		disk.Truncate(e.off)
	case OpPunch:
		disk.PunchHole(e.off, e.n)
	}
}

// tear makes a write or a hole in some of its sectors.
func (e crashEvent) tear(disk *backend.Memory, rng *rand.Rand) {
	for done := int64(0); done < e.n; {
		sector := crashEvent{op: e.op, off: e.off + done}
		sector.n = min(e.n-done, crashSector-sector.off%crashSector)
		if e.op == OpWrite {
			sector.data = e.data[done : done+sector.n]
		}
		if rng.IntN(2) == 0 {
			sector.apply(disk)
		}
		done += sector.n
	}
}

// grow gives the storage the length that a write needs, without its bytes, as
// a filesystem does that writes its inode first.
func (e crashEvent) grow(disk *backend.Memory) {
	size, err := disk.Size()
	if end := e.off + e.n; e.op == OpWrite && err == nil && end > size {
		disk.Truncate(end)
	}
}

// WriteAt implements [io.WriterAt].
func (c *Crash) WriteAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.now.WriteAt(p, off)
	if err == nil && n > 0 {
		c.events = append(c.events, crashEvent{op: OpWrite, off: off, n: int64(n), data: bytes.Clone(p)})
	}
	return n, err
}

// Truncate implements [backend.Storage].
func (c *Crash) Truncate(size int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.now.Truncate(size)
	if err == nil {
		c.events = append(c.events, crashEvent{op: OpTruncate, off: size})
	}
	return err
}

// PunchHole implements [backend.HolePuncher].
func (c *Crash) PunchHole(off, n int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.now.PunchHole(off, n)
	if err == nil && n > 0 {
		c.events = append(c.events, crashEvent{op: OpPunch, off: off, n: n})
	}
	return err
}

// Sync makes everything that was changed before safe.
func (c *Crash) Sync() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.now.Sync()
	if err == nil {
		c.events = append(c.events, crashEvent{op: OpSync})
	}
	return err
}

// ReadAt implements [io.ReaderAt].
func (c *Crash) ReadAt(p []byte, off int64) (int, error) { return c.now.ReadAt(p, off) }

// Size implements [backend.Reader].
func (c *Crash) Size() (int64, error) { return c.now.Size() }

// NextData implements [backend.DataFinder].
func (c *Crash) NextData(off int64) (start, end int64, err error) { return c.now.NextData(off) }

// Close makes every later call fail but those on the record. It is no sync.
func (c *Crash) Close() error { return c.now.Close() }
