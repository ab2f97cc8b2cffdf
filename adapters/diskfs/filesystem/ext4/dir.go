package ext4

import (
	"bytes"
	"fmt"
	"io/fs"
	"iter"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	direntHeader   = 8  // inode, length, name length, type
	minDirentSize  = 12 // of a name of one byte
	direntHashSize = 8  // after the name, where a directory is casefolded and encrypted
	tailSize       = 12 // an entry without a name that holds the block's checksum
	tailType       = 0xDE
)

// dirent is a directory entry as stored.
type dirent struct {
	ino      uint32
	filetype byte
	name     []byte // a view
	hash     []byte // stored after the name, else nil
}

// dirBlock is a piece of a directory that entries do not cross.
type dirBlock struct {
	data []byte
	at   int64 // block on the volume, -1 in the inode
}

func (in *inode) damagedDir(block int64, format string, args ...any) error {
	return &fstree.DamageError{FS: "ext4", Structure: fmt.Sprintf("directory %d", in.num),
		Block: block, Why: fmt.Sprintf(format, args...)}
}

// directory reads the inode of a directory.
func (e *engine) directory(id fstree.ID) (*inode, error) {
	in, err := e.inode(id.Ino)
	if err != nil {
		return nil, err
	}
	if !in.isType(modeDir) {
		return nil, fstree.ErrNotDir
	}
	return in, nil
}

// ReadDir implements [fstree.Engine]. A hash tree is not used: its inner
// nodes are made to look like blocks without entries.
func (e *engine) ReadDir(dir fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		in, err := e.directory(dir)
		if err != nil {
			yield(fstree.Entry{}, err)
			return
		}
		var names fstree.Strings
		name := func(d dirent) string { return names.String(d.name) }
		if in.has(flagEncrypt) {
			name = e.keylessNames(in)
		}
		for d, err := range e.dirents(in) {
			if err != nil {
				if !yield(fstree.Entry{}, err) {
					return
				}
				continue
			}
			if _, changed := e.fast.name(in.num, d.name); changed {
				continue
			}
			if !yield(e.entry(d, name(d)), nil) {
				return
			}
		}
		for name, ino := range e.fast.added(in.num) {
			if !yield(addedEntry(name, ino), nil) {
				return
			}
		}
	}
}

// addedEntry is an entry that is in a fast commit alone, which has no types.
func addedEntry(name string, ino uint32) fstree.Entry {
	return fstree.Entry{Name: name, ID: fstree.ID{Ino: uint64(ino)}, Type: fstree.TypeUnknown}
}

func (e *engine) entry(d dirent, name string) fstree.Entry {
	t := fstree.TypeUnknown
	if e.sb.incompat.has(incompatFiletype) {
		t = fstree.DirentType(d.filetype)
	}
	return fstree.Entry{Name: name, ID: fstree.ID{Ino: uint64(d.ino)}, Type: t}
}

// Lookup implements [fstree.Engine]. In a casefolded directory a name that is
// not there as it is matches one that differs in case by Unicode's simple
// folding; the kernel also equates normalization forms.
func (e *engine) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	in, err := e.directory(dir)
	if err != nil {
		return fstree.Entry{}, err
	}
	if ino, changed := e.fast.name(in.num, []byte(name)); changed {
		if ino == 0 {
			return fstree.Entry{}, fs.ErrNotExist
		}
		return addedEntry(name, ino), nil
	}
	if in.has(flagIndex) && !in.has(flagEncrypt|flagCasefold) && e.sb.compat.has(compatDirIndex) {
		// Whatever is wrong with the tree, the leaves may still be good. Only
		// checksums prove that it leads to the one where the name would be.
		d, err := e.lookupHashed(in, []byte(name))
		if err == nil {
			return e.entry(d, name), nil
		}
		if err == fs.ErrNotExist && e.sb.hasChecksums() {
			return fstree.Entry{}, err
		}
	}
	if in.has(flagEncrypt) {
		return e.lookupKeyless(dir, name)
	}
	return e.lookupLinear(in, name)
}

func (e *engine) lookupLinear(in *inode, name string) (fstree.Entry, error) {
	var folded *fstree.Entry
	var damage error
	for d, err := range e.dirents(in) {
		switch {
		case err != nil:
			damage = err
		case string(d.name) == name:
			return e.entry(d, name), nil
		case folded == nil && in.has(flagCasefold) && strings.EqualFold(string(d.name), name):
			f := e.entry(d, string(d.name))
			folded = &f
		}
	}
	if folded != nil {
		return *folded, nil
	}
	if damage != nil {
		return fstree.Entry{}, damage
	}
	return fstree.Entry{}, fs.ErrNotExist
}

// lookupKeyless finds an entry of an encrypted directory by the name under
// which it is listed.
func (e *engine) lookupKeyless(dir fstree.ID, name string) (fstree.Entry, error) {
	var damage error
	for entry, err := range e.ReadDir(dir) {
		if err != nil {
			damage = err
		} else if entry.Name == name {
			return entry, nil
		}
	}
	if damage != nil {
		return fstree.Entry{}, damage
	}
	return fstree.Entry{}, fs.ErrNotExist
}

// maxDamage is after how many damaged blocks a directory is given up.
const maxDamage = 1000

// dirents yields the entries in use of a directory, without "." and "..". An
// error concerns the rest of one block; the next one follows.
func (e *engine) dirents(in *inode) iter.Seq2[dirent, error] {
	return func(yield func(dirent, error) bool) {
		damaged := 0
		for b, err := range e.dirBlocks(in) {
			if err == nil {
				var more bool
				if more, err = e.scan(in, b, func(d dirent) bool { return yield(d, nil) }); !more {
					return
				}
			}
			if err == nil {
				continue
			}
			if damaged++; !yield(dirent{}, err) || damaged == maxDamage {
				return
			}
		}
	}
}

// scan visits the entries in use of a block of a directory, until visit
// returns false; more tells whether it never did.
func (e *engine) scan(in *inode, b dirBlock, visit func(dirent) bool) (more bool, err error) {
	for off := 0; off < len(b.data); {
		d, length, err := e.dirent(in, b, off)
		if err != nil {
			return true, err
		}
		off += length
		if d.ino == 0 || isDot(d.name) {
			continue
		}
		if len(d.name) == 0 {
			return true, in.damagedDir(b.at, "entry for inode %d without a name", d.ino)
		}
		if !visit(d) {
			return false, nil
		}
	}
	return true, nil
}

func isDot(name []byte) bool {
	return len(name) == 1 && name[0] == '.' || len(name) == 2 && name[0] == '.' && name[1] == '.'
}

// dirent decodes and checks the entry at off and returns its length, by the
// rules of ext4_check_dir_entry (fs/ext4/dir.c).
func (e *engine) dirent(in *inode, b dirBlock, off int) (dirent, int, error) {
	rest := b.data[off:]
	if len(rest) < minDirentSize {
		return dirent{}, 0, in.damagedDir(b.at, "entry at %d crosses the end", off)
	}
	d := dirent{ino: le.Uint32(rest), filetype: rest[7]}
	length, nameEnd := e.direntLength(le.Uint16(rest[4:])), direntHeader+int(rest[6])
	if length < minDirentSize || length%4 != 0 || length < (nameEnd+3)&^3 {
		return dirent{}, 0, in.damagedDir(b.at, "entry at %d of %d bytes for a name of %d", off, length, rest[6])
	}
	if length > len(rest) || length != len(rest) && len(rest)-length < minDirentSize {
		return dirent{}, 0, in.damagedDir(b.at, "entry at %d of %d bytes crosses the end", off, length)
	}
	if uint64(d.ino) > e.sb.inodes {
		return dirent{}, 0, in.damagedDir(b.at, "entry at %d for inode %d of %d", off, d.ino, e.sb.inodes)
	}
	d.name = rest[direntHeader:nameEnd]
	if in.has(flagCasefold) && in.has(flagEncrypt) && d.ino != 0 && !isDot(d.name) {
		at := (nameEnd + 3) &^ 3
		if at+direntHashSize > length {
			return dirent{}, 0, in.damagedDir(b.at, "entry at %d has no room for its hash", off)
		}
		d.hash = rest[at:][:direntHashSize]
	}
	return d, length, nil
}

// direntLength decodes the length of an entry. In blocks of 64 KiB, 65536
// does not fit and the two lowest bits are the highest.
func (e *engine) direntLength(stored uint16) int {
	if e.sb.blockSize < 1<<16 {
		return int(stored)
	}
	if stored == 0 || stored == 0xFFFF {
		return 1 << 16
	}
	return int(stored&^3) | int(stored&3)<<16
}

// dirBlocks yields the blocks of a directory, those too that its map has as
// never written: the kernel reads them (ext4_bread). A directory has no holes,
// and no more blocks than the volume, whatever its size says.
func (e *engine) dirBlocks(in *inode) iter.Seq2[dirBlock, error] {
	return func(yield func(dirBlock, error) bool) {
		if in.has(flagInlineData) {
			yield(e.inlineDir(in))
			return
		}
		m, err := e.mapping(in)
		if err != nil {
			yield(dirBlock{}, err)
			return
		}
		left := e.present()
		end := uint64(in.size) >> e.sb.blockBits
		for logical := uint64(0); logical < end; {
			r, err := m.run(logical)
			if err == nil && !r.isHole() && min(r.count, end-logical) > left {
				err = in.damagedDir(-1, "more blocks than the volume has")
			}
			if err != nil {
				yield(dirBlock{}, err)
				return
			}
			r.count = min(r.count, end-logical)
			if r.isHole() {
				if !yield(dirBlock{}, in.damagedDir(-1, "a hole of %d blocks at block %d of it", r.count, logical)) {
					return
				}
				logical += r.count
				continue
			}
			left -= r.count
			for i := range r.count {
				if !yield(e.dirBlock(in, logical+i, r.physical+i)) {
					return
				}
			}
			logical += r.count
		}
	}
}

// dirBlock reads a block of a directory and verifies its checksum.
func (e *engine) dirBlock(in *inode, logical, physical uint64) (dirBlock, error) {
	b := dirBlock{at: int64(physical)}
	data, err := e.block(physical)
	if err != nil {
		return b, fmt.Errorf("ext4: directory %d: %w", in.num, err)
	}
	b.data = data
	if !e.sb.hasChecksums() {
		return b, nil
	}
	if in.has(flagIndex) && logical == 0 || e.isIndexNode(data) {
		return b, e.verifyIndexNode(in, b)
	}
	split := len(data) - tailSize
	tail := data[split:]
	if !bytes.Equal(tail[:direntHeader], []byte{0, 0, 0, 0, tailSize, 0, 0, tailType}) {
		return b, in.damagedDir(b.at, "no checksum")
	}
	if want, got := le.Uint32(tail[direntHeader:]), crc32c(in.seed, data[:split]); want != got {
		return b, in.damagedDir(b.at, "checksum is %08x, not %08x", got, want)
	}
	return b, nil
}

// isIndexNode reports whether a block looks like an inner node of a hash
// tree: one free entry over all of it.
func (e *engine) isIndexNode(data []byte) bool {
	return le.Uint32(data) == 0 && e.direntLength(le.Uint16(data[4:])) == len(data)
}
