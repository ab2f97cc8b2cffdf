package main

import (
	"iter"

	"github.com/qedfs/qedfs/qedfile"
)

// dataStep is how much qemu-img convert copies at once, in bytes. Its percentage
// moves by that.
const dataStep = 2 << 20

// dataProgress turns the position on a disk, in rising order, into the part of
// its data that lies before, which is what qemu-img's percentage counts.
type dataProgress struct {
	report func(done, total int64)
	next   func() (qedfile.Extent, error, bool)
	total  int64 // bytes of data
	before int64 // of data before the run
	run    qedfile.Extent
	last   int64 // what was reported
}

// newDataProgress looks at the map of a disk, which has to give the same each
// time, but does not hold it: a small image can have a very long one. stop ends
// it.
func newDataProgress(extents iter.Seq2[qedfile.Extent, error], report func(done, total int64)) (p *dataProgress, stop func()) {
	p = &dataProgress{report: report}
	for e, err := range extents {
		if err == nil && e.Kind == qedfile.Data {
			p.total += e.Length
		}
	}
	p.next, stop = iter.Pull2(extents)
	return p, stop
}

// set says that the disk is done up to a position.
func (p *dataProgress) set(pos, _ int64) {
	for end := p.run.Start + p.run.Length; pos >= end; end = p.run.Start + p.run.Length {
		if p.run.Kind == qedfile.Data {
			p.before += p.run.Length
		}
		p.run = qedfile.Extent{}
		e, err, more := p.next()
		if !more {
			break
		}
		if err == nil {
			p.run = e
		}
	}
	done := p.before
	if p.run.Kind == qedfile.Data && pos > p.run.Start {
		done += (pos - p.run.Start) / dataStep * dataStep
	}
	if done > p.last {
		p.last = done
		p.report(done, p.total)
	}
}
