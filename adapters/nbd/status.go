package nbd

import (
	"encoding/binary"
	"math"

	"github.com/qedfs/qedfs/qedfile"
)

// maxDescriptors is how many runs a reply tells of; a client asks again for
// the rest.
const maxDescriptors = 8192

// run is what one descriptor of a block status says.
type run struct {
	length int64
	state  uint32
}

// doBlockStatus answers with one chunk for each context.
func (c *connection) doBlockStatus(q *request) {
	d := c.device
	last := 0
	for i, chosen := range c.meta.chosen {
		if chosen {
			last = i
		}
	}
	var reply []byte
	for i, name := range d.contexts() {
		if !c.meta.chosen[i] {
			continue
		}
		runs, err := d.runs(q, name)
		if err != nil {
			c.failed(q, err)
			return
		}
		flags := uint16(0)
		if i == last {
			flags = chunkDone
		}
		reply = appendChunk(reply, q, flags, chunkBlockStatus, 4+8*len(runs))
		reply = binary.BigEndian.AppendUint32(reply, uint32(i))
		for _, r := range runs {
			reply = binary.BigEndian.AppendUint32(reply, uint32(r.length))
			reply = binary.BigEndian.AppendUint32(reply, r.state)
		}
	}
	c.send(reply)
}

// runs is what a context says of the range that a request asks for: at least
// one run, none past the end of the range. A part that cannot be known ends
// it, and is an error where nothing lies before.
func (d *device) runs(q *request, context string) ([]run, error) {
	most := maxDescriptors
	if q.flags&cmdFlagReqOne != 0 {
		most = 1
	}
	state := d.allocation
	if context == contextDepth {
		state = d.allocationDepth
	}
	var list []run
	for e, err := range d.extents(int64(q.off), int64(q.length)) {
		if err != nil {
			if len(list) == 0 {
				return nil, err
			}
			return list, nil
		}
		s := state(&e)
		if k := len(list) - 1; k >= 0 && list[k].state == s && list[k].length+e.Length <= math.MaxUint32 {
			list[k].length += e.Length
			continue
		}
		if len(list) == most {
			return list, nil
		}
		list = append(list, run{e.Length, s})
	}
	if len(list) == 0 {
		return nil, errShrunk
	}
	return list, nil
}

// allocation is the state in base:allocation.
func (*device) allocation(e *qedfile.Extent) uint32 {
	if e.Kind == qedfile.Data {
		return 0
	}
	return stateHole | stateZero
}

// allocationDepth is the state in qemu:allocation-depth: 0 where no layer has
// the part, 1 for the top one. As in qemu, what lies past the end of a backing
// file counts as that file's.
func (d *device) allocationDepth(e *qedfile.Extent) uint32 {
	switch {
	case e.Kind != qedfile.Unallocated:
		return uint32(e.Depth) + 1
	case e.Depth+1 < d.layers:
		return uint32(e.Depth) + 2
	}
	return 0
}
