package qemuio

import (
	"context"
	"fmt"
	"math"
)

func (s *Session) aioRead(_ context.Context, args []string) error {
	r, err := s.vectorRead("aio_read", args, "CP:iqv")
	if err != nil {
		return err
	}
	if r == nil {
		// -i counts an invalid request in statistics that exist in qemu only.
		fmt.Fprintln(s.Out, "injecting invalid read request")
		return nil
	}
	s.start(r)
	return nil
}

func (s *Session) aioWrite(_ context.Context, args []string) error {
	o, err := s.options("aio_write", args, "CfiP:quz")
	if err != nil {
		return err
	}
	pattern, err := s.writePattern(o)
	if err != nil {
		return err
	}
	switch {
	case o.has('i'):
		fmt.Fprintln(s.Out, "injecting invalid write request")
		return nil
	case len(o.args) < 2:
		return errUsage
	case o.has('z') && len(o.args) != 2:
		fmt.Fprintln(s.Out, "-z supports only a single length parameter")
		return errFailed
	case o.has('u') && !o.has('z'):
		fmt.Fprintln(s.Out, "-u requires -z to be specified")
		return errFailed
	}
	var off, n int64
	if o.has('z') { // zeroes need no buffer, so that there is no limit
		off, n, err = s.extent(o.args, math.MaxInt64, "")
	} else {
		off, n, err = s.vector(o.args)
	}
	if err != nil {
		return err
	}
	s.start(s.writeRequest("aio_write", o, off, n, pattern))
	return nil
}

func (s *Session) aioFlush(context.Context, []string) error {
	s.drain()
	return nil
}
