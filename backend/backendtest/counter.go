package backendtest

import (
	"sync/atomic"

	"github.com/qedfs/qedfs/backend"
)

// Counts are the calls that reached a storage, and the bytes that they moved.
type Counts struct {
	Reads, ReadBytes   int64
	Writes, WriteBytes int64
	Truncates, Syncs   int64
	Punches            int64
}

// Counter counts what reaches a storage: benchmarks report it, and tests hold
// what is read once against it. Over a [backend.Reader] that is no [backend.Storage], changes
// fail with [backend.ErrReadOnly]. It is safe for concurrent use.
type Counter struct {
	r backend.Reader
	s backend.Storage

	reads, readBytes   atomic.Int64
	writes, writeBytes atomic.Int64
	truncates, syncs   atomic.Int64
	punches            atomic.Int64
}

var (
	_ backend.Storage     = (*Counter)(nil)
	_ backend.DataFinder  = (*Counter)(nil)
	_ backend.HolePuncher = (*Counter)(nil)
)

// NewCounter returns a storage that passes every call on to r, and counts it.
func NewCounter(r backend.Reader) *Counter { return &Counter{r: r, s: storageOf(r)} }

// Counts returns what was counted since the start or the last Reset. Failed
// calls count too, by the bytes that they moved before.
func (c *Counter) Counts() Counts {
	return Counts{
		Reads: c.reads.Load(), ReadBytes: c.readBytes.Load(),
		Writes: c.writes.Load(), WriteBytes: c.writeBytes.Load(),
		Truncates: c.truncates.Load(), Syncs: c.syncs.Load(), Punches: c.punches.Load(),
	}
}

// Reset starts again from zero.
func (c *Counter) Reset() {
	for _, n := range []*atomic.Int64{&c.reads, &c.readBytes, &c.writes, &c.writeBytes, &c.truncates, &c.syncs, &c.punches} {
		n.Store(0)
	}
}

// ReadAt implements [io.ReaderAt].
func (c *Counter) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	c.reads.Add(1)
	c.readBytes.Add(int64(n))
	return n, err
}

// WriteAt implements [io.WriterAt].
func (c *Counter) WriteAt(p []byte, off int64) (int, error) {
	n, err := c.s.WriteAt(p, off)
	c.writes.Add(1)
	c.writeBytes.Add(int64(n))
	return n, err
}

// Truncate implements [backend.Storage].
func (c *Counter) Truncate(size int64) error {
	c.truncates.Add(1)
	return c.s.Truncate(size)
}

// Sync implements [backend.Storage].
func (c *Counter) Sync() error {
	c.syncs.Add(1)
	return c.s.Sync()
}

// Size implements [backend.Reader].
func (c *Counter) Size() (int64, error) { return c.r.Size() }

// PunchHole implements [backend.HolePuncher].
func (c *Counter) PunchHole(off, n int64) error {
	c.punches.Add(1)
	return backend.PunchHole(c.s, off, n)
}

// NextData implements [backend.DataFinder].
func (c *Counter) NextData(off int64) (start, end int64, err error) {
	return backend.NextData(c.r, off)
}

// Close closes the storage beneath.
func (c *Counter) Close() error { return c.r.Close() }
