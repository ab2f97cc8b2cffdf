package fat

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"sync"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/clusters"
)

// rootIno is the root directory's inode number, as in Linux. Any other file's
// is the number of its 32-byte slot, counted from the volume's first byte.
const rootIno = 1

// Open opens the FAT filesystem that fills the first size bytes of r. It
// returns an error that wraps [fstree.ErrNotThis] if there is none.
func Open(r io.ReaderAt, size int64) (*fstree.FS, error) { return OpenWith(r, size, nil) }

// Options say how a volume is read. The zero value, or nil, takes its times as UTC.
type Options struct {
	// Zone is where the clock stood that the volume's times are of: FAT stores
	// local times. nil is UTC. Of an hour that a zone has twice, one is
	// taken.
	Zone *time.Location
}

// OpenWith opens a filesystem as [Open] does, by options.
func OpenWith(r io.ReaderAt, size int64, opts *Options) (*fstree.FS, error) {
	cache := fstree.NewCache(r, size, 0)
	if size < bootSize {
		return nil, notFAT("volume too small")
	}
	geo, note, err := readBoot(cache)
	if err != nil {
		return nil, err
	}
	e := &engine{
		geo:      geo,
		note:     note,
		codepage: newCodepage(codepage437),
		vol: &clusters.Volume{
			Cache: cache, Type: fsType, Kind: geo.kind,
			Table: geo.table, Heap: geo.heap, Bits: geo.clusterBits, Count: geo.count,
		},
	}
	e.describe = sync.OnceValue(e.info)
	if opts != nil {
		e.zone = opts.Zone
	}
	return fstree.Open(e)
}

const fsType = "vfat"

// engine implements [fstree.Engine].
type engine struct {
	zone     *time.Location
	geo      geometry
	note     string // of the boot sector, "" if it is sound
	vol      *clusters.Volume
	codepage *codepage
	describe func() fstree.Info
}

// Info implements [fstree.Engine].
func (e *engine) Info() fstree.Info { return e.describe() }

// info counts the free clusters in the table, as Linux does for statfs: what
// the FSInfo sector of FAT32 says may be out of date.
func (e *engine) info() fstree.Info {
	label, labelErr := e.label()
	i := fstree.Info{
		Type:      fsType,
		Label:     label,
		BlockSize: e.vol.ClusterSize(),
		Size:      int64(e.vol.Count) << e.vol.Bits,
		Dirty:     e.dirty(),
	}
	if e.geo.hasSerial {
		i.UUID = fmt.Sprintf("%04X-%04X", e.geo.serial>>16, e.geo.serial&0xFFFF)
	}
	if e.note != "" {
		i.Notes = append(i.Notes, e.note)
	}
	if labelErr != nil {
		i.Notes = append(i.Notes, fmt.Sprintf("the label is not known: %v", labelErr))
	}
	free, err := e.vol.Free()
	i.FreeErr = err
	i.Free = int64(free) << e.vol.Bits
	i.CutOff(e.vol.End(), e.vol.Cache.Size())
	return i
}

// dirty looks at the flag of Linux in the boot sector and at that of Windows
// in the table's second entry.
func (e *engine) dirty() bool {
	flags, err := e.vol.Entry(1)
	if err != nil {
		return true
	}
	switch e.vol.Kind {
	case clusters.FAT16:
		return e.geo.dirty || flags&0x8000 == 0
	case clusters.FAT32:
		return e.geo.dirty || flags&0x08000000 == 0
	default:
		return e.geo.dirty
	}
}

// label is the one in the root directory; that in the boot sector is often
// out of date, and libblkid does not call it the label either.
func (e *engine) label() (label string, err error) {
	d, err := e.directory(e.Root())
	if err != nil {
		return "", err
	}
	err = e.slots(&d, func(s slot, _ int64) bool {
		if s[0] == markFree {
			return false
		}
		if s[0] == markDeleted || s.isLong() || s.attr()&(attrVolume|attrDir) != attrVolume || e.start(s) != 0 {
			return true
		}
		name := append(make(slot, 0, dirent), s...)
		if name[0] == markKanji {
			name[0] = 0xE5
		}
		label = string(appendPart(nil, name[:11], e.codepage, false))
		return false
	})
	return label, err
}

// Root implements [fstree.Engine].
func (e *engine) Root() fstree.ID { return fstree.ID{Ino: rootIno} }

// slot reads the slot of a file.
func (e *engine) slot(id fstree.ID) (slot, error) {
	if id.Ino > math.MaxInt64/dirent {
		return nil, fs.ErrNotExist
	}
	b, err := e.vol.Cache.Bytes(int64(id.Ino)*dirent, dirent)
	if err != nil {
		return nil, fmt.Errorf("fat: %w", err)
	}
	if !slot(b).isFile() {
		return nil, fs.ErrNotExist
	}
	return b, nil
}

// start is a file's first cluster, 0 if it has none.
func (e *engine) start(s slot) uint32 {
	c := uint32(s.u16(26))
	if e.vol.Kind == clusters.FAT32 {
		c |= uint32(s.u16(20)) << 16
	}
	return c
}

// Stat implements [fstree.Engine].
func (e *engine) Stat(id fstree.ID) (fstree.Stat, error) {
	if id == e.Root() {
		st := fstree.Stat{Mode: fs.ModeDir | 0o755, Mtime: time.Unix(0, 0).UTC()}
		st.Atime, st.Ctime, st.Btime = st.Mtime, st.Mtime, st.Mtime // as in Linux
		return e.dirStat(id, st)
	}
	s, err := e.slot(id)
	if err != nil {
		return fstree.Stat{}, err
	}
	st := fstree.Stat{
		Ino:   id.Ino,
		Mode:  s.mode(),
		Nlink: 1,
		Size:  s.size(),
		Mtime: e.timeOf(s.u16(24), s.u16(22), 0),
		Atime: e.timeOf(s.u16(18), 0, 0),
		Btime: e.timeOf(s.u16(16), s.u16(14), s[13]),
	}
	st.Ctime = st.Mtime // nothing is stored for it; Linux since 5.19 shows this
	if s.isDir() {
		return e.dirStat(id, st)
	}
	st.Blocks = e.blocks(st.Size)
	return st, nil
}

// dirStat adds what is not stored and has to be counted. The part of a
// directory that cannot be read does not count.
func (e *engine) dirStat(id fstree.ID, st fstree.Stat) (fstree.Stat, error) {
	d, err := e.directory(id)
	if err != nil {
		return st, err
	}
	st.Ino = id.Ino
	st.Nlink = 0
	_ = e.slots(&d, func(s slot, _ int64) bool {
		if s.isFile() && s.isDir() {
			st.Nlink++ // "." and ".." among them
		}
		return true
	})
	if id == e.Root() {
		st.Nlink += 2 // it has neither
	}
	st.Size = d.size(e)
	st.Blocks = e.blocks(st.Size)
	return st, nil
}

// blocks is what so many bytes occupy, in units of 512 bytes.
func (e *engine) blocks(size int64) int64 {
	mask := e.vol.ClusterSize() - 1
	return (size + mask) &^ mask / 512
}

// Open implements [fstree.Engine].
func (e *engine) Open(id fstree.ID) (fstree.Content, error) {
	s, err := e.slot(id)
	if err != nil {
		return nil, err
	}
	if s.isDir() {
		return nil, fmt.Errorf("fat: %w", fs.ErrInvalid)
	}
	size := s.size()
	name := structure("file", id)
	if err := e.vol.Fits(name, size); err != nil {
		return nil, err
	}
	need := (size + e.vol.ClusterSize() - 1) >> e.vol.Bits
	chain := e.vol.Chain(name, e.start(s), need)
	return clusters.NewContent(name, chain, size, size), nil
}

// Readlink implements [fstree.Engine]. There are no symbolic links.
func (e *engine) Readlink(fstree.ID) (string, error) { return "", fs.ErrInvalid }

// Xattrs implements [fstree.Engine]. There are none.
func (e *engine) Xattrs(fstree.ID) (map[string][]byte, error) { return nil, nil }

func (e *engine) damage(structure string, block int64, why string) error {
	return &fstree.DamageError{FS: fsType, Structure: structure, Block: block, Why: why}
}

func structure(what string, id fstree.ID) string {
	return fmt.Sprintf("%s of inode %d", what, id.Ino)
}
