package udf

import (
	"fmt"
	"io"
	"io/fs"
	"iter"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Types of files (ECMA-167, 4/14.6.6; UDF 2.60, 2.3.5.2).
const (
	typeDirectory = 4
	typeRegular   = 5
	typeBlock     = 6
	typeChar      = 7
	typeFIFO      = 9
	typeSocket    = 10
	typeSymlink   = 12
	typeStreams   = 13
	typeVAT       = 248
	typeRealTime  = 249
)

// file is what is read of a file entry.
type file struct {
	kind                       byte
	flags                      uint16
	uid, gid, perm             uint32
	links                      uint16
	size, recorded             int64 // bytes, blocks
	atime, mtime, ctime, btime time.Time
	major, minor               uint32
	streams                    extent
	part                       uint16    // partition of what short_ads name
	phys                       partition // instead of part, where that is not known yet
	block                      uint32    // of the entry
	descs                      []byte    // allocation descriptors, or the contents
}

// readFile reads the entry at an address. A chain of indirect entries (strategy
// 4096) leads to the one that counts.
func (v *volume) readFile(at address) (*file, error) {
	for range 64 {
		b, err := v.descriptor("file entry", at, tagFile, tagExtendedFile, tagIndirect)
		if err != nil {
			return nil, err
		}
		if le.Uint16(b) == tagIndirect {
			at = extentLong(b[36:]).address
			continue
		}
		if le.Uint16(b[20:]) == 4096 { // the entry after this one leads to a newer one, if it was written
			next := address{at.block + 1, at.part}
			if ie, err := v.descriptor("indirect entry", next, tagIndirect); err == nil {
				if x := extentLong(ie[36:]); x.length > 0 {
					at = x.address
					continue
				}
			}
		}
		return v.parseFile(b, at)
	}
	return nil, damage("file entry", int64(at.block), "its indirect entries lead in circles")
}

// fileIn reads the entry of a file that is a part of a partition's own structure.
func (v *volume) fileIn(p *physical, block uint32) (*file, error) {
	off, _, err := p.run(block)
	if err != nil {
		return nil, err
	}
	b, err := v.cache.Bytes(off, v.bs)
	if err != nil {
		return nil, err
	}
	if why := checkTag(b, block, tagFile, tagExtendedFile); why != "" {
		return nil, damage("file entry", off>>v.bits, why)
	}
	f, err := v.parseFile(b, address{block: block})
	if err == nil {
		f.phys = p
	}
	return f, err
}

func (v *volume) parseFile(b []byte, at address) (*file, error) {
	f := &file{
		kind: b[27], flags: le.Uint16(b[34:]), uid: le.Uint32(b[36:]), gid: le.Uint32(b[40:]), perm: le.Uint32(b[44:]),
		links: le.Uint16(b[48:]), part: at.part, block: at.block,
	}
	size, recorded, attrs := le.Uint64(b[56:]), uint64(0), int64(0)
	var lenAttrs, lenDescs int64
	if le.Uint16(b) == tagFile {
		recorded, attrs = le.Uint64(b[64:]), 176
		f.atime, f.mtime, f.ctime = timestamp(b[72:]), timestamp(b[84:]), timestamp(b[96:])
		lenAttrs, lenDescs = int64(le.Uint32(b[168:])), int64(le.Uint32(b[172:]))
	} else {
		recorded, attrs = le.Uint64(b[72:]), 216
		f.atime, f.mtime, f.btime, f.ctime = timestamp(b[80:]), timestamp(b[92:]), timestamp(b[104:]), timestamp(b[116:])
		f.streams = extentLong(b[152:])
		lenAttrs, lenDescs = int64(le.Uint32(b[208:])), int64(le.Uint32(b[212:]))
	}
	if size > 1<<62 || recorded > 1<<50 || lenAttrs > v.bs-attrs || lenDescs > v.bs-attrs-lenAttrs {
		return nil, damage("file entry", int64(at.block), "its parts are longer than it")
	}
	f.size, f.recorded = int64(size), int64(recorded)
	f.device(b[attrs : attrs+lenAttrs])
	f.descs = b[attrs+lenAttrs:][:lenDescs]
	if f.flags&7 == 3 && f.size > lenDescs {
		return nil, damage("file entry", int64(at.block), fmt.Sprintf("%d bytes of contents in %d", size, lenDescs))
	}
	return f, nil
}

// device finds the numbers of a device (ECMA-167, 4/14.10.7).
func (f *file) device(attrs []byte) {
	if len(attrs) < 24 {
		return
	}
	for attrs = attrs[24:]; len(attrs) >= 12; {
		n := le.Uint32(attrs[8:])
		if le.Uint32(attrs) == 12 && len(attrs) >= 24 {
			f.major, f.minor = le.Uint32(attrs[16:]), le.Uint32(attrs[20:])
		}
		if n < 12 || int64(n) > int64(len(attrs)) {
			return
		}
		attrs = attrs[n:]
	}
}

// mode is the type and the permissions, as Linux maps them (udf_convert_permissions).
func (f *file) mode() fs.FileMode {
	bits := f.perm&0o7 | f.perm>>2&0o70 | f.perm>>4&0o700
	for flag, bit := range map[uint16]uint32{0x40: 0o4000, 0x80: 0o2000, 0x100: 0o1000} {
		if f.flags&flag != 0 {
			bits |= bit
		}
	}
	switch f.kind {
	case typeDirectory, typeStreams:
		bits |= 0o040000
	case typeBlock:
		bits |= 0o060000
	case typeChar:
		bits |= 0o020000
	case typeFIFO:
		bits |= 0o010000
	case typeSocket:
		bits |= 0o140000
	case typeSymlink:
		bits |= 0o120000
	case 0, typeRegular, typeRealTime:
		bits |= 0o100000
	}
	return fstree.UnixMode(bits)
}

// maxExtents is how many allocation descriptors of one file are followed: more than a
// file of 16 TiB in pieces of 64 KiB has is damage.
const maxExtents = 1 << 22

// extents yields a file's extents in order, those that go on elsewhere followed.
func (v *volume) extents(f *file) iter.Seq2[extent, error] {
	return func(yield func(extent, error) bool) {
		short := f.flags&7 == 0
		descs, size := f.descs, 16
		if short {
			size = 8
		}
		if f.flags&7 > 1 {
			yield(extent{}, fmt.Errorf("udf: extended allocation descriptors: %w", fstree.ErrUnsupported))
			return
		}
		seen := map[address]bool{}
		for range maxExtents {
			if len(descs) < size {
				return
			}
			var x extent
			if short {
				n := le.Uint32(descs)
				x = extent{n & (1<<30 - 1), n >> 30, address{le.Uint32(descs[4:]), f.part}}
			} else {
				x = extentLong(descs)
			}
			descs = descs[size:]
			switch {
			case x.length == 0:
				return // the end (ECMA-167, 4/12)
			case x.kind != 3:
				if !yield(x, nil) {
					return
				}
			default:
				b, err := v.more(f, x.address)
				if err == nil && seen[x.address] {
					err = damage("allocation descriptors", int64(x.block), "lead in circles")
				}
				if err != nil {
					yield(extent{}, err)
					return
				}
				seen[x.address] = true
				descs = b
			}
		}
		yield(extent{}, damage("allocation descriptors", int64(f.block), "too many"))
	}
}

// more reads a block of further allocation descriptors.
func (v *volume) more(f *file, at address) ([]byte, error) {
	off, _, err := v.place(f, at)
	if err != nil {
		return nil, err
	}
	b, err := v.cache.Bytes(off, v.bs)
	if err != nil {
		return nil, fmt.Errorf("udf: %w", err)
	}
	if why := checkTag(b, at.block, tagAllocation); why != "" {
		return nil, damage("allocation extent descriptor", off>>v.bits, why)
	}
	return b[24:][:min(int64(le.Uint32(b[20:])), v.bs-24)], nil
}

// place is [volume.run] for a part of a file.
func (v *volume) place(f *file, at address) (int64, uint32, error) {
	if f.phys != nil {
		return f.phys.run(at.block)
	}
	return v.run(at)
}

// content is the contents of a file.
type content struct {
	v    *volume
	file *file
}

func (c *content) Size() int64 { return c.file.size }

// Extents yields where the contents lie. What no descriptor is about is a hole.
func (c *content) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		end := c.file.size
		if off < 0 || n <= 0 || off >= end {
			return
		}
		end = min(end, off+min(n, end-off))
		if c.file.flags&7 == 3 {
			yield(fstree.Extent{Start: off, Length: end - off, Offset: -1}, nil)
			return
		}
		// emit yields what of a run is asked for, and whether to go on.
		emit := func(start, length, at int64) bool {
			from, to := max(off, start), min(end, start+length)
			if from >= to {
				return start < end
			}
			x := fstree.Extent{Start: from, Length: to - from, Hole: at < 0, Offset: -1}
			if at >= 0 {
				x.Offset = at + from - start
			}
			return yield(x, nil) && to < end
		}
		start, stored := int64(0), int64(0)
		for x, err := range c.v.extents(c.file) {
			if x.kind == 0 {
				stored += int64(x.length)
			}
			if err == nil && stored > c.v.cache.Size()+c.v.bs {
				err = damage("file entry", int64(c.file.block), "more is stored of it than the volume holds")
			}
			if err != nil {
				yield(fstree.Extent{}, err)
				return
			}
			if start+int64(x.length) <= off {
				start += int64(x.length)
				continue
			}
			if x.kind != 0 {
				if !emit(start, int64(x.length), -1) {
					return
				}
				start += int64(x.length)
				continue
			}
			// What comes before the part that is asked for is not looked up: some
			// partitions place block by block.
			before := max(0, off-start) >> c.v.bits
			start += before << c.v.bits
			for left, block := int64(x.length)-before<<c.v.bits, x.block+uint32(before); left > 0; {
				at, blocks, err := c.v.place(c.file, address{block, x.part})
				length := min(left, int64(blocks)<<c.v.bits)
				if err == nil && at > c.v.cache.Size()-min(length, end-start) && start < end {
					err = damage("extent", int64(block), "outside the volume")
				}
				if err != nil {
					if start+left > off {
						yield(fstree.Extent{}, err)
						return
					}
					length, at = left, -1 // not asked for
				}
				if !emit(start, length, at) {
					return
				}
				start, left, block = start+length, left-length, block+uint32(length>>c.v.bits)
			}
		}
		if start < end {
			emit(start, end-start, -1)
		}
	}
}

func (c *content) ReadAt(p []byte, off int64) (n int, err error) {
	if c.file.flags&7 == 3 {
		if off >= c.file.size {
			return 0, io.EOF
		}
		n = copy(p, c.file.descs[off:c.file.size])
	}
	for x, err := range c.Extents(off+int64(n), int64(len(p)-n)) {
		if err != nil {
			return n, err
		}
		part := p[n : n+int(x.Length)]
		if x.Hole {
			clear(part)
		} else if m, err := c.v.cache.ReadAt(part, x.Offset); m < len(part) {
			return n + m, err
		}
		n += len(part)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
