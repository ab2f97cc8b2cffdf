package rpmdb

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Package is an installed package.
type Package struct {
	Name, Version, Release string
	Epoch                  string // "" for none
	Arch                   string
	SourceRPM              string // "bash-5.2-1.src.rpm"
}

// EVR is the version as rpm prints it: "1:5.2-1".
func (p *Package) EVR() string {
	s := p.Version + "-" + p.Release
	if p.Epoch != "" {
		s = p.Epoch + ":" + s
	}
	return s
}

// Source is the name of the source package; "" where none is known.
func (p *Package) Source() string {
	s := strings.TrimSuffix(strings.TrimSuffix(p.SourceRPM, ".rpm"), ".src")
	s = strings.TrimSuffix(s, ".nosrc")
	for range 2 { // the release and the version
		i := strings.LastIndexByte(s, '-')
		if i < 0 {
			return ""
		}
		s = s[:i]
	}
	return s
}

// Tags and types, of rpmtag.h.
const (
	tagName      = 1000
	tagVersion   = 1001
	tagRelease   = 1002
	tagEpoch     = 1003
	tagArch      = 1022
	tagSourceRPM = 1044

	typeInt32  = 4
	typeString = 6
	typeI18N   = 9
)

const indexEntry = 16 // bytes: tag, type, offset, count

// parseHeader reads a header as databases have it: the number of index entries,
// the size of the store, the index, the store. All numbers are big-endian.
func parseHeader(b []byte) (*Package, error) {
	if len(b) < 8 {
		return nil, fmt.Errorf("%w: a header of %d bytes", ErrFormat, len(b))
	}
	entries, size := uint64(be.Uint32(b)), uint64(be.Uint32(b[4:]))
	rest := b[8:]
	if entries > uint64(len(rest)/indexEntry) || size > uint64(len(rest))-entries*indexEntry {
		return nil, fmt.Errorf("%w: a header of %d bytes has %d entries and a store of %d", ErrFormat, len(b), entries, size)
	}
	index, store := rest[:entries*indexEntry], rest[entries*indexEntry:][:size]
	p := &Package{}
	for ; len(index) > 0; index = index[indexEntry:] {
		// A later entry replaces an earlier one, as what was added
		// after the build does (headerLoad in rpm's lib/header.c).
		switch tag := be.Uint32(index); tag {
		case tagName:
			p.Name = text(index, store)
		case tagVersion:
			p.Version = text(index, store)
		case tagRelease:
			p.Release = text(index, store)
		case tagArch:
			p.Arch = text(index, store)
		case tagSourceRPM:
			p.SourceRPM = text(index, store)
		case tagEpoch:
			if at := uint64(be.Uint32(index[8:])); be.Uint32(index[4:]) == typeInt32 && at+4 <= size {
				p.Epoch = strconv.FormatUint(uint64(be.Uint32(store[at:])), 10)
			}
		}
	}
	if p.Name == "" {
		return nil, fmt.Errorf("%w: a package without a name", ErrFormat)
	}
	return p, nil
}

// text is the string that an entry of the index leads to.
func text(entry, store []byte) string {
	at := be.Uint32(entry[8:])
	if kind := be.Uint32(entry[4:]); kind != typeString && kind != typeI18N || uint64(at) >= uint64(len(store)) {
		return ""
	}
	s, _, _ := bytes.Cut(store[at:], []byte{0})
	return string(s)
}
