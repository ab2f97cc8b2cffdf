package hfsplus

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// How the contents of a compressed file are kept: the odd kinds in the attribute itself,
// the even ones in pieces in the resource fork (Apple's decmpfs.h, and AppleFSCompression).
const (
	methodPlain    = 1
	methodZlib     = 3
	methodZlibFork = 4
	methodLZVN     = 7
	methodLZVNFork = 8
	methodRaw      = 9
	methodRawFork  = 10
	methodLZFSE    = 11
	methodLZFSEE   = 12
)

const (
	flagCompressed = 0x20 // UF_COMPRESSED
	chunk          = 64 << 10
	maxChunks      = 1 << 24
)

func (it *item) compressed() bool { return !it.folder && it.data[41]&flagCompressed != 0 }

// compression is what the attribute of a compressed file says.
type compression struct {
	method uint32
	size   int64
	data   []byte
}

func (e *engine) compression(it *item) (*compression, error) {
	list, err := e.stored(it.id)
	if err != nil {
		return nil, err
	}
	b := list[nameDecmpfs]
	le := binary.LittleEndian
	if len(b) < 16 || string(b[:4]) != "fpmc" {
		return nil, damage(fmt.Sprintf("file %d", it.id), -1, "compressed, without the header of that")
	}
	size := le.Uint64(b[8:])
	if size > maxChunks*chunk {
		return nil, damage(fmt.Sprintf("file %d", it.id), -1, "%d bytes compressed", size)
	}
	return &compression{le.Uint32(b[4:]), int64(size), b[16:]}, nil
}

// packed is a compressed file.
type packed struct {
	name   string
	size   int64
	lzvn   bool       // else zlib
	stored bool       // else neither: pieces are stored as they are
	fork   *fork      // nil: all is in data
	data   []byte     // of one piece
	places [][2]int64 // of the pieces in the fork: where, how long
}

func (e *engine) decompressed(it *item) (fstree.Content, error) {
	c, err := e.compression(it)
	if err != nil {
		return nil, err
	}
	p := &packed{name: fmt.Sprintf("file %d", it.id), size: c.size, data: c.data}
	switch c.method {
	case methodPlain, methodRaw:
		// The piece is stored as it is, one of the later kind after a byte that says so.
		if c.method == methodRaw {
			p.data = p.data[min(1, len(p.data)):]
		}
		p.stored, p.data = true, append([]byte{0}, p.data...)
	case methodZlib:
	case methodLZVN:
		p.lzvn = true
	case methodZlibFork, methodLZVNFork, methodRawFork:
		p.lzvn, p.stored, p.data = c.method != methodZlibFork, c.method == methodRawFork, nil
		if p.fork, err = e.resourceFork(it); err != nil {
			return nil, err
		}
		return p, p.readPlaces()
	case methodLZFSE, methodLZFSEE:
		return nil, fmt.Errorf("hfsplus: file %d: compressed by LZFSE: %w", it.id, fstree.ErrUnsupported)
	default:
		return nil, fmt.Errorf("hfsplus: file %d: compression method %d: %w", it.id, c.method, fstree.ErrUnsupported)
	}
	if p.size > chunk {
		return nil, damage(p.name, -1, "%d bytes compressed in an attribute", p.size)
	}
	return p, nil
}

// readPlaces reads where the pieces lie: after a header of resources and their number for
// zlib, or by a row of offsets that begins the fork.
func (p *packed) readPlaces() error {
	le := binary.LittleEndian
	count := (p.size + chunk - 1) / chunk
	bytesAt := func(off, n int64) ([]byte, error) {
		if off < 0 || off > p.fork.size-n {
			return nil, damage(p.fork.name, -1, "%d bytes at %d of %d", n, off, p.fork.size)
		}
		b := make([]byte, n)
		if m, err := p.fork.ReadAt(b, off); m < len(b) {
			return nil, err
		}
		return b, nil
	}
	if p.lzvn {
		b, err := bytesAt(0, 4*(count+1))
		for i := int64(0); err == nil && i < count; i++ {
			from, to := int64(le.Uint32(b[4*i:])), int64(le.Uint32(b[4*i+4:]))
			p.places = append(p.places, [2]int64{from, to - from})
		}
		return err
	}
	b, err := bytesAt(0, 4)
	if err != nil {
		return err
	}
	table := int64(be.Uint32(b)) + 4
	if b, err = bytesAt(table, 4); err != nil {
		return err
	}
	if n := int64(le.Uint32(b)); n != count {
		return damage(p.fork.name, -1, "%d pieces of %d bytes", n, p.size)
	}
	b, err = bytesAt(table+4, 8*count)
	for i := int64(0); err == nil && i < count; i++ {
		p.places = append(p.places, [2]int64{table + int64(le.Uint32(b[8*i:])), int64(le.Uint32(b[8*i+4:]))})
	}
	return err
}

// Size implements [fstree.Content].
func (p *packed) Size() int64 { return p.size }

// Extents implements [fstree.Content].
func (p *packed) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		if off >= 0 && n > 0 && off < p.size {
			yield(fstree.Extent{Start: off, Length: min(n, p.size-off), Offset: -1}, nil)
		}
	}
}

// ReadAt implements [io.ReaderAt].
func (p *packed) ReadAt(b []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("hfsplus: read at offset %d", off)
	}
	for n < len(b) && off < p.size {
		piece, err := p.piece(off / chunk)
		if err != nil {
			return n, fmt.Errorf("hfsplus: %s: %w", p.name, err)
		}
		m := copy(b[n:], piece[off%chunk:])
		n, off = n+m, off+int64(m)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// piece decompresses a piece of 64 KiB, the last one of what is left.
func (p *packed) piece(i int64) ([]byte, error) {
	size := int(min(chunk, p.size-i*chunk))
	in := p.data
	if p.fork != nil {
		at := p.places[i]
		if at[0] < 0 || at[1] <= 0 || at[1] > 2*chunk || at[0] > p.fork.size-at[1] {
			return nil, damage(p.fork.name, -1, "a piece of %d bytes at %d", at[1], at[0])
		}
		in = make([]byte, at[1])
		if n, err := p.fork.ReadAt(in, at[0]); n < len(in) {
			return nil, err
		}
	}
	out, err := p.expand(in, size)
	if err == nil && len(out) != size {
		err = damage(p.name, -1, "a piece of %d bytes instead of %d", len(out), size)
	}
	return out, err
}

func (p *packed) expand(in []byte, size int) ([]byte, error) {
	switch {
	case len(in) == 0:
		return nil, damage(p.name, -1, "an empty piece")
	case p.stored, !p.lzvn && in[0]&0x0F == 0x0F, p.lzvn && in[0] == lzvnEnd:
		return in[1:min(1+size, len(in))], nil // as it is, after a byte that says so
	case p.lzvn:
		return lzvn(in, size)
	}
	z, err := zlib.NewReader(bytes.NewReader(in))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(z, int64(size)))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = damage(p.name, -1, "a piece that ends early")
	}
	return out, err
}
