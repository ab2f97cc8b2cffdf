package nbd

import (
	"encoding/binary"
	"errors"
)

var errMalformed = errors.New("lengths that do not fit")

// optionParser takes an option's data apart. After the first field that is
// not there, every further one is empty and ok is false.
type optionParser struct {
	data []byte
	bad  bool
}

func (p *optionParser) take(n uint32) []byte {
	if p.bad || uint64(n) > uint64(len(p.data)) {
		p.bad = true
		return nil
	}
	b := p.data[:n]
	p.data = p.data[n:]
	return b
}

func (p *optionParser) uint16() uint16 {
	if b := p.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (p *optionParser) uint32() uint32 {
	if b := p.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// string is a length and as many bytes.
func (p *optionParser) string() string {
	n := p.uint32()
	if n > maxString {
		p.bad = true
	}
	return string(p.take(n))
}

// err is set where the data was too short, or is longer than it should be.
func (p *optionParser) err() error {
	if p.bad || len(p.data) > 0 {
		return errMalformed
	}
	return nil
}

// infoRequest is the data of optInfo and optGo.
type infoRequest struct {
	name string
	want []uint16 // kinds of information
}

func parseInfo(data []byte) (infoRequest, error) {
	p := optionParser{data: data}
	req := infoRequest{name: p.string()}
	for range p.uint16() {
		req.want = append(req.want, p.uint16())
		if p.bad {
			break
		}
	}
	return req, p.err()
}

// metaRequest is the data of optListMetaContext and optSetMetaContext.
type metaRequest struct {
	name    string
	queries []string
}

func parseMeta(data []byte) (metaRequest, error) {
	p := optionParser{data: data}
	req := metaRequest{name: p.string()}
	for range p.uint32() {
		req.queries = append(req.queries, p.string())
		if p.bad {
			break
		}
	}
	return req, p.err()
}

// metaContexts is what a client wants to know of the blocks of an export.
type metaContexts struct {
	device *device
	chosen []bool // by the numbers of the device's contexts
}

// match finds the contexts that queries mean. A namespace alone stands for all
// in it where they are listed, and so does no query at all.
func (req *metaRequest) match(d *device, list bool) metaContexts {
	names := d.contexts()
	m := metaContexts{d, make([]bool, len(names))}
	for i, name := range names {
		m.chosen[i] = list && len(req.queries) == 0
		for _, q := range req.queries {
			if q == name || list && q == namespace(name) {
				m.chosen[i] = true
			}
		}
	}
	return m
}

// namespace is a context's name up to its colon.
func namespace(context string) string {
	for i := range context {
		if context[i] == ':' {
			return context[:i+1]
		}
	}
	return context
}
