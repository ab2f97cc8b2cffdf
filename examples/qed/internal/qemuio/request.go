package qemuio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// request is a read or a write, complete but for its execution. It may run in
// a goroutine of its own.
type request struct {
	device *Device
	op     string // in the report
	failed string // before "failed: ..."
	offset int64
	n      int64 // bytes

	write, sync, zero bool
	pattern           byte   // fills what is written
	buf               []byte // what was read, or shall be written in place of the pattern

	unsupported byte // the option that asks for what the format has not

	verify         *verification
	quiet, machine bool
	dump           bool
	done           chan struct{}
	took           time.Duration
	err            error
}

// verification is what read -P expects.
type verification struct {
	pattern  byte
	start, n int64 // within the buffer
}

// execute does the work and keeps the outcome.
func (r *request) execute() {
	began := time.Now()
	r.err = r.do()
	r.took = time.Since(began)
}

func (r *request) do() error {
	switch {
	case r.unsupported == 'b':
		return errNoSupport
	case r.offset > r.device.Disk.Size()-r.n:
		return errOutside
	case r.n == 0 && r.unsupported != 'c':
		return nil
	case r.unsupported != 0:
		return errNoSupport
	}
	var err error
	switch {
	case !r.write:
		r.buf = make([]byte, r.n)
		if _, err = r.device.Disk.ReadAt(r.buf, r.offset); errors.Is(err, io.EOF) {
			err = nil
		}
		if err == nil && r.device.CopyOnRead {
			err = r.keep()
		}
		return err
	case r.zero:
		err = r.writeZeroes()
	default:
		if r.buf == nil {
			r.buf = bytes.Repeat([]byte{r.pattern}, int(r.n))
		}
		_, err = r.device.Writable.WriteAt(r.buf, r.offset)
	}
	if err == nil && r.sync {
		err = r.device.Writable.Sync()
	}
	return err
}

// writeZeroes has whole clusters alone become zero clusters. qemu writes the
// ragged ends as data, which takes clusters for them even where they read as
// zeroes already.
func (r *request) writeZeroes() error {
	disk, unit := r.device.Writable, max(r.device.ClusterSize, 1)
	start, end := r.offset, r.offset+r.n
	head := min((start+unit-1)/unit*unit, end)
	tail := max(end/unit*unit, head)
	ragged := make([]byte, max(head-start, end-tail))
	if _, err := disk.WriteAt(ragged[:head-start], start); err != nil {
		return err
	}
	if err := disk.WriteZeroes(head, tail-head); err != nil {
		return err
	}
	_, err := disk.WriteAt(ragged[:end-tail], tail)
	return err
}

// answer prints the outcome.
func (s *Session) answer(r *request) error {
	if r.err != nil {
		return s.fail(r.failed, r.err)
	}
	var result error
	if v := r.verify; v != nil && !v.holds(r.buf) {
		fmt.Fprintf(s.Out, "Pattern verification failed at offset %d, %d bytes\n", r.offset+v.start, v.n)
		result = errFailed
	}
	if r.quiet {
		return result
	}
	if r.dump {
		dump(s.Out, r.buf, r.offset)
	}
	report := report{r.op, r.offset, r.n, r.n, r.took, r.machine}
	report.print(s.Out)
	return result
}

func (v *verification) holds(b []byte) bool {
	b = b[v.start : v.start+v.n]
	return bytes.Count(b, []byte{v.pattern}) == len(b)
}

// start runs a request in the background. No more than a few dozen are under
// way, as in a guest's queue.
func (s *Session) start(r *request) {
	const queue = 64
	if len(s.pending) == queue {
		s.drain()
	}
	r.done = make(chan struct{})
	s.pending = append(s.pending, r)
	go func() {
		defer close(r.done)
		r.execute()
	}()
}

// drain waits for the requests under way and prints their outcomes in the
// order of their commands. As in qemu-io their failures are no failure of the
// session.
func (s *Session) drain() {
	for _, r := range s.pending {
		<-r.done
		_ = s.answer(r)
	}
	s.pending = nil
}

// readFull reads until b is full or the input ends.
func readFull(r io.Reader, b []byte) (int, error) {
	n, err := io.ReadFull(r, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return n, err
}
