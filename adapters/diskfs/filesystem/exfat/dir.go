package exfat

import (
	"fmt"
	"io/fs"
	"iter"
	"slices"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/clusters"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/utf16name"
)

// maxDirSize is the longest directory, in bytes (section 7.6.7).
const maxDirSize = 256 << 20

// directory finds the clusters of a directory.
func (e *engine) directory(id fstree.ID) (clusters.Chain, error) {
	name := structure("directory", id)
	if id == e.Root() {
		return e.chain(name, stream{start: e.root, size: maxDirSize}, maxDirSize), nil
	}
	file, s, err := e.file(id)
	if err != nil {
		return clusters.Chain{}, err
	}
	if !file.isDir() {
		return clusters.Chain{}, fstree.ErrNotDir
	}
	return e.chain(name, s, maxDirSize), nil
}

// entries calls f with every entry of a directory up to its end and the byte
// where it lies, until f returns false.
func (e *engine) entries(id fstree.ID, f func(en entry, pos int64) bool) error {
	chain, err := e.directory(id)
	if err != nil {
		return err
	}
	for off, end := int64(0), chain.Len()<<e.vol.Bits; off < end; {
		b, pos, err := chain.Next(off)
		if err != nil {
			return fmt.Errorf("exfat: directory: %w", err)
		}
		off += int64(len(b))
		for ; len(b) >= entrySize; b, pos = b[entrySize:], pos+entrySize {
			if b[0] == typeEnd || !f(b[:entrySize], pos) {
				return nil
			}
		}
	}
	return chain.Err()
}

// files calls f with every file of a directory: its set, its name, and what is
// wrong with it. Without a name the set is not a file. It ends when f returns
// false.
func (e *engine) files(id fstree.ID, f func(s *set, name []uint16, err error) bool) error {
	var s set
	goOn := true
	err := e.entries(id, func(en entry, pos int64) bool {
		if s.want > 0 && en.kind()&(inUse|secondary) != inUse|secondary {
			goOn = f(&s, nil, s.damage(fmt.Sprintf("ends after %d of %d entries", s.n, s.want)))
			s.want = 0
		}
		switch {
		case !goOn:
		case en.kind() == typeFile:
			if n := en.secondaries(); n < 2 || n > maxSecondary {
				s.pos = pos
				goOn = f(&s, nil, s.damage(fmt.Sprintf("%d entries beside the first", n)))
				break
			}
			s.begin(en, pos)
		case s.want > 0:
			if s.add(en, pos); s.n == s.want {
				name, err := s.name()
				goOn = f(&s, name, err)
				s.want = 0
			}
		}
		return goOn
	})
	if err == nil && goOn && s.want > 0 {
		f(&s, nil, s.damage("ends with its directory"))
	}
	return err
}

// ReadDir implements [fstree.Engine].
func (e *engine) ReadDir(dir fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		stopped := false
		var name []byte
		var names fstree.Strings
		err := e.files(dir, func(s *set, units []uint16, err error) bool {
			if err != nil {
				stopped = !yield(fstree.Entry{}, err)
			}
			if units != nil && !stopped {
				name = utf16name.Append(name[:0], units)
				stopped = !yield(fstree.Entry{Name: names.String(name), ID: s.id(), Type: s.file().fileKind()}, nil)
			}
			return !stopped
		})
		if err != nil && !stopped {
			yield(fstree.Entry{}, err)
		}
	}
}

// Lookup implements [fstree.Engine]. A file is found by the name that is
// listed, else by one that is the same in upper case.
func (e *engine) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	want := utf16name.Encode(name)
	var found fstree.Entry
	err := e.files(dir, func(s *set, units []uint16, _ error) bool {
		if len(units) != len(want) || len(units) == 0 {
			return true
		}
		exact := slices.Equal(units, want)
		if exact || found.Name == "" && e.upcase().equal(units, want) {
			found = fstree.Entry{Name: string(utf16name.Append(nil, units)), ID: s.id(), Type: s.file().fileKind()}
		}
		return !exact
	})
	switch {
	case found.Name != "":
		return found, nil
	case err != nil:
		return fstree.Entry{}, err
	default:
		return fstree.Entry{}, fs.ErrNotExist
	}
}
