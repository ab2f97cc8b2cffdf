package qemuio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/qedfile"
)

func (s *Session) length(context.Context, []string) error {
	fmt.Fprintln(s.Out, humanSize(float64(s.device.Disk.Size())))
	return nil
}

func (s *Session) info(context.Context, []string) error {
	fmt.Fprintf(s.Out, "format name: %s\n", s.device.Format)
	fmt.Fprintf(s.Out, "cluster size: %s\n", humanSize(float64(s.device.ClusterSize)))
	fmt.Fprintln(s.Out, "vm state offset: 0 bytes")
	return nil
}

// layout calls visit for runs of the disk that the top image itself stores or
// does not, within n bytes from off on. A small image can be made to have a
// great many.
func (s *Session) layout(ctx context.Context, off, n int64, visit func(start, length int64, allocated bool)) error {
	mapper, ok := s.device.Disk.(qedfile.Mapper)
	if !ok || s.device.Format == "raw" {
		visit(off, n, true)
		return nil
	}
	start, length, was := off, int64(0), false
	for e, err := range mapper.Extents(off, n) {
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
		if is := e.Depth == 0 && e.Kind != qedfile.Unallocated; is != was {
			if length > 0 {
				visit(start, length, was)
			}
			start, length, was = e.Start, 0, is
		}
		length += e.Length
	}
	if length > 0 {
		visit(start, length, was)
	}
	return nil
}

func (s *Session) diskMap(ctx context.Context, _ []string) error {
	s.drain()
	err := s.layout(ctx, 0, s.device.Disk.Size(), func(start, length int64, allocated bool) {
		state := "not allocated"
		if allocated {
			state = "    allocated"
		}
		fmt.Fprintf(s.Out, "%s (0x%x) bytes %s at offset %s (0x%x)\n",
			humanSize(float64(length)), length, state, humanSize(float64(start)), start)
	})
	if err != nil {
		s.Complain(qemutext.Errorf("Failed to get allocation status: %w", err))
		return errFailed
	}
	return nil
}

func (s *Session) alloc(ctx context.Context, args []string) error {
	s.drain()
	off, err := s.size(args[0])
	if err != nil {
		return err
	}
	n := int64(sector)
	if len(args) == 2 {
		if n, err = s.size(args[1]); err != nil {
			return err
		}
	}
	n = min(n, max(0, s.device.Disk.Size()-off))
	sum := int64(0)
	err = s.layout(ctx, off, n, func(_, length int64, allocated bool) {
		if allocated {
			sum += length
		}
	})
	if err != nil {
		return s.fail("is_allocated", err)
	}
	fmt.Fprintf(s.Out, "%d/%d bytes allocated at offset %s\n", sum, n, humanSize(float64(off)))
	return nil
}

func (s *Session) flush(context.Context, []string) error {
	s.drain()
	if s.device.Writable == nil {
		return nil
	}
	if err := s.device.Writable.Sync(); err != nil {
		s.Complain(err)
		return errFailed
	}
	return nil
}

// discard changes nothing on a QED disk: qemu's driver does nothing with it. A
// raw disk gets a hole, that is zeroes.
func (s *Session) discard(_ context.Context, args []string) error {
	o, err := s.options("discard", args, "Cq")
	if err != nil {
		return err
	}
	off, n, err := s.extent(o.args, maxRequest, "")
	if err != nil {
		return err
	}
	if off > s.device.Disk.Size()-n {
		return s.fail("discard", errOutside)
	}
	if raw, ok := s.device.Writable.(backend.HolePuncher); ok && !s.device.IgnoreDiscard {
		err := raw.PunchHole(off, n)
		if errors.Is(err, errors.ErrUnsupported) {
			err = s.device.Writable.WriteZeroes(off, n)
		}
		if err != nil {
			return s.fail("discard", err)
		}
	}
	if !o.has('q') {
		r := report{op: "discard", offset: off, total: n, want: n, machine: o.has('C')}
		r.print(s.Out)
	}
	return nil
}

func (s *Session) truncate(_ context.Context, args []string) error {
	s.drain()
	o, err := s.options("truncate", args, "m:")
	if err != nil {
		return err
	}
	switch mode := o.value['m']; mode {
	case "", "off":
	case "falloc", "full":
		if s.device.Format == "raw" {
			break
		}
		fallthrough
	case "metadata":
		s.Complain(qemutext.Errorf("Unsupported preallocation mode '%s'", mode))
		return errFailed
	default:
		s.Complain(qemutext.Errorf("Invalid preallocation mode '%s'", mode))
		return errFailed
	}
	if len(o.args) != 1 {
		return errUsage
	}
	size, err := s.size(o.args[0])
	if err != nil {
		return err
	}
	if s.device.Format == "qed" && size%sector != 0 {
		s.Complain(qemutext.Errorf("Invalid image size specified"))
		return errFailed
	}
	old := s.device.Disk.Size()
	err = s.device.Writable.Resize(size)
	if mode := o.value['m']; err == nil && mode != "" && mode != "off" {
		err = writeZeroBytes(s.device.Writable, old)
	}
	if err != nil {
		s.Complain(err)
		return errFailed
	}
	return nil
}

func (s *Session) sleep(ctx context.Context, args []string) error {
	ms, err := strconv.ParseUint(args[0], 0, 32)
	if err != nil {
		fmt.Fprintf(s.Out, "%s is not a valid number\n", args[0])
		return errFailed
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(ms) * time.Millisecond):
		return nil
	}
}

// writeZeroBytes writes zeroes from off to the end, so that the host has the
// space.
func writeZeroBytes(d qedfile.WritableDisk, off int64) error {
	zeroes := make([]byte, 1<<20)
	for size := d.Size(); off < size; {
		n, err := d.WriteAt(zeroes[:min(int64(len(zeroes)), size-off)], off)
		if err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}
