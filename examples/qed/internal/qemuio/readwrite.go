package qemuio

import (
	"context"
	"fmt"
	"math"
)

// defaultPattern fills what is written without -P.
const defaultPattern = 0xcd

const sector = 512

func (s *Session) read(_ context.Context, args []string) error {
	o, err := s.options("read", args, "bCl:pP:qs:v")
	if err != nil {
		return err
	}
	v, start, length, err := s.verification(o)
	if err != nil {
		return err
	}
	off, n, err := s.extent(o.args, maxRequest, "")
	if err != nil {
		return err
	}
	if v == nil && (o.has('s') || o.has('l')) {
		return errUsage
	}
	if v != nil {
		if !o.has('l') {
			length = n - start
		}
		if length < 0 || length > n-start {
			fmt.Fprintln(s.Out, "pattern verification range exceeds end of read data")
			return errFailed
		}
		v.start, v.n = start, length
	}
	if o.has('b') {
		if err := s.aligned(off, n); err != nil {
			return err
		}
	}
	r := s.readRequest("read", o, off, n, v)
	if o.has('b') { // the vm state
		r.unsupported = 'b'
	}
	r.execute()
	return s.answer(r)
}

// verification reads the options that say what a read expects.
func (s *Session) verification(o *options) (v *verification, start, length int64, err error) {
	if o.has('l') {
		if length, err = s.size(o.value['l']); err != nil {
			return nil, 0, 0, err
		}
	}
	if o.has('P') {
		v = &verification{}
		if v.pattern, err = s.pattern(o.value['P']); err != nil {
			return nil, 0, 0, err
		}
	}
	if o.has('s') {
		if start, err = s.size(o.value['s']); err != nil {
			return nil, 0, 0, err
		}
	}
	return v, start, length, nil
}

func (s *Session) aligned(off, n int64) error {
	for _, x := range []struct {
		name  string
		value int64
	}{{"offset", off}, {"count", n}} {
		if x.value%sector != 0 {
			fmt.Fprintf(s.Out, "%d is not a sector-aligned value for '%s'\n", x.value, x.name)
			return errFailed
		}
	}
	return nil
}

func (s *Session) readRequest(failed string, o *options, off, n int64, v *verification) *request {
	return &request{
		device: s.device, op: "read", failed: failed, offset: off, n: n,
		verify: v, quiet: o.has('q'), machine: o.has('C'), dump: o.has('v'),
	}
}

func (s *Session) writeRequest(failed string, o *options, off, n int64, pattern byte) *request {
	return &request{
		device: s.device, op: "wrote", failed: failed, offset: off, n: n, pattern: pattern, write: true,
		zero: o.has('z'), sync: o.has('f'), quiet: o.has('q'), machine: o.has('C'),
	}
}

func (s *Session) write(_ context.Context, args []string) error {
	o, err := s.options("write", args, "bcCfnpP:qs:uz")
	if err != nil {
		return err
	}
	pattern, err := s.writePattern(o)
	if err != nil {
		return err
	}
	if err := s.contradiction(o); err != nil {
		return err
	}
	limit := int64(maxRequest)
	if o.has('n') {
		limit = math.MaxInt64
	}
	off, n, err := s.extent(o.args, limit, " without -n")
	if err != nil {
		return err
	}
	if o.has('b') || o.has('c') {
		if err := s.aligned(off, n); err != nil {
			return err
		}
	}
	r := s.writeRequest("write", o, off, n, pattern)
	if o.has('s') {
		if r.buf, err = s.fromFile(o.value['s'], n); err != nil {
			return err
		}
	}
	// The vm state and compressed clusters are not in QED; -n wants zeroes
	// that cost no write, which its driver does not promise.
	switch {
	case o.has('b'):
		r.unsupported = 'b'
	case o.has('c'):
		r.unsupported = 'c'
	case o.has('n') && s.device.Format != "raw":
		r.unsupported = 'n'
	}
	r.execute()
	return s.answer(r)
}

func (s *Session) writePattern(o *options) (byte, error) {
	if !o.has('P') {
		return defaultPattern, nil
	}
	return s.pattern(o.value['P'])
}

// contradiction tells which options of write do not go together.
func (s *Session) contradiction(o *options) error {
	sources := 0
	for _, letter := range []byte("zPs") {
		if o.has(letter) {
			sources++
		}
	}
	why := ""
	switch {
	case len(o.args) != 2:
		return errUsage
	case o.has('b') && o.has('z'):
		why = "-b and -z cannot be specified at the same time"
	case o.has('f') && (o.has('b') || o.has('c')):
		why = "-f and -b or -c cannot be specified at the same time"
	case o.has('n') && !o.has('z'):
		why = "-n requires -z to be specified"
	case o.has('u') && !o.has('z'):
		why = "-u requires -z to be specified"
	case sources > 1:
		why = "Only one of -z, -P, and -s can be specified at the same time"
	default:
		return nil
	}
	fmt.Fprintln(s.Out, why)
	return errFailed
}

func (s *Session) readv(_ context.Context, args []string) error {
	r, err := s.vectorRead("readv", args, "CP:qv")
	if err != nil {
		return err
	}
	r.execute()
	return s.answer(r)
}

func (s *Session) writev(_ context.Context, args []string) error {
	o, err := s.options("writev", args, "CfqP:")
	if err != nil {
		return err
	}
	pattern, err := s.writePattern(o)
	if err != nil {
		return err
	}
	off, n, err := s.vector(o.args)
	if err != nil {
		return err
	}
	r := s.writeRequest("writev", o, off, n, pattern)
	r.execute()
	return s.answer(r)
}

// vectorRead prepares readv and aio_read.
func (s *Session) vectorRead(name string, args []string, spec string) (*request, error) {
	o, err := s.options(name, args, spec)
	if err != nil {
		return nil, err
	}
	v, _, _, err := s.verification(o)
	if err != nil {
		return nil, err
	}
	if o.has('i') {
		return nil, nil
	}
	off, n, err := s.vector(o.args)
	if err != nil {
		return nil, err
	}
	if v != nil {
		v.n = n
	}
	return s.readRequest("readv", o, off, n, v), nil
}
