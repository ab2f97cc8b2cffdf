package exfat

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/bits"
	"sync"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/clusters"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/utf16name"
)

const fsType = "exfat"

// rootIno is the root directory's inode number, as in Linux. Any other file's
// is the number of its file entry, counted in 32 bytes from the volume's
// first; the Tree of its [fstree.ID] is the number of the stream extension,
// which may lie elsewhere.
const rootIno = 1

// Open opens the exFAT filesystem that fills the first size bytes of r. It
// returns an error that wraps [fstree.ErrNotThis] if there is none, and
// [fstree.ErrDamaged] if there is one whose boot region is not sound, and
// neither is the copy of it.
func Open(r io.ReaderAt, size int64) (*fstree.FS, error) { return OpenWith(r, size, nil) }

// Options say how a volume is read. The zero value, or nil, takes its times as UTC.
type Options struct {
	// Zone is where the clock stood that the volume's times are of: exFAT stores
	// local times. nil is UTC.
	// A time that is stored with its offset needs none. Of an hour that a zone has twice, one is
	// taken.
	Zone *time.Location
}

// OpenWith opens a filesystem as [Open] does, by options.
func OpenWith(r io.ReaderAt, size int64, opts *Options) (*fstree.FS, error) {
	if size < bootSize {
		return nil, fmt.Errorf("exfat: %w: volume too small", fstree.ErrNotThis)
	}
	cache := fstree.NewCache(r, size, 0)
	geo, note, err := readBoot(cache, size)
	if err != nil {
		return nil, err
	}
	e := &engine{geometry: geo, note: note}
	e.vol = &e.volume
	e.vol.Cache = cache
	e.describe = sync.OnceValue(e.info)
	e.upcase = sync.OnceValue(e.readUpcase)
	if opts != nil {
		e.zone = opts.Zone
	}
	return fstree.Open(e)
}

// engine implements [fstree.Engine].
type engine struct {
	geometry
	zone     *time.Location
	note     string // of the boot region, "" if the first is sound
	vol      *clusters.Volume
	describe func() fstree.Info
	upcase   func() *upcase
}

// Info implements [fstree.Engine].
func (e *engine) Info() fstree.Info { return e.describe() }

// info gathers what the root directory says of the volume.
func (e *engine) info() fstree.Info {
	i := fstree.Info{
		Type:      fsType,
		UUID:      fmt.Sprintf("%04X-%04X", e.serial>>16, e.serial&0xFFFF),
		BlockSize: e.vol.ClusterSize(),
		Size:      int64(e.vol.Count) << e.vol.Bits,
		Dirty:     e.dirty,
	}
	if e.note != "" {
		i.Notes = append(i.Notes, e.note)
	}
	if e.failed {
		i.Notes = append(i.Notes, "the medium is marked as failing")
	}
	var bitmap stream
	err := e.entries(e.Root(), func(en entry, _ int64) bool {
		switch {
		case en.kind() == typeLabel:
			i.Label = label(en)
		case en.kind() == typeBitmap && en[1]&1 == 0: // the second is of TexFAT
			bitmap = en.table()
		}
		return true
	})
	if err == nil {
		i.Free, err = e.free(bitmap)
	}
	i.FreeErr = err
	i.CutOff(e.vol.End(), e.vol.Cache.Size())
	return i
}

// label decodes the entry of the volume's label.
func label(en entry) string {
	units := make([]uint16, min(int(en[1]), 11))
	for i := range units {
		units[i] = en.u16(2 + 2*i)
	}
	return string(utf16name.Append(nil, units))
}

// free counts the zeroes of the allocation bitmap, in bytes.
func (e *engine) free(bitmap stream) (int64, error) {
	count := int64(e.vol.Count)
	if bitmap.size < (count+7)/8 {
		return 0, damage("allocation bitmap", int64(bitmap.start), fmt.Sprintf("%d bytes for %d clusters", bitmap.size, count))
	}
	chain := e.chain("allocation bitmap", bitmap, (count+7)/8)
	used, off := int64(0), int64(0)
	for off*8 < count {
		b, _, err := chain.Next(off)
		if err != nil {
			return 0, err
		}
		if len(b) == 0 {
			return 0, damage("allocation bitmap", int64(bitmap.start), "ends early")
		}
		for _, x := range b {
			left := count - off*8
			if left <= 0 {
				break
			}
			if left < 8 {
				x &= 1<<left - 1
			}
			used += int64(bits.OnesCount8(x))
			off++
		}
	}
	return (count - used) << e.vol.Bits, nil
}

// readUpcase reads the table that names are compared by. Without a sound one
// Unicode's is as good as any.
func (e *engine) readUpcase() *upcase {
	var table stream
	var sum uint32
	err := e.entries(e.Root(), func(en entry, _ int64) bool {
		if en.kind() == typeUpcase {
			table, sum = en.table(), en.u32(4)
		}
		return table.size == 0
	})
	if err != nil || table.size == 0 || table.size > maxUpcase {
		return unicodeUpcase()
	}
	b := make([]byte, table.size)
	chain := e.chain("upper-case table", table, maxUpcase)
	content := clusters.NewContent("upper-case table", chain, table.size, table.size)
	if _, err := content.ReadAt(b, 0); err != nil || tableChecksum(b) != sum {
		return unicodeUpcase()
	}
	return parseUpcase(b)
}

// Root implements [fstree.Engine].
func (e *engine) Root() fstree.ID { return fstree.ID{Ino: rootIno} }

// file reads the file entry and the stream extension of a file.
func (e *engine) file(id fstree.ID) (entry, stream, error) {
	if id.Ino > math.MaxInt64/entrySize || id.Tree > math.MaxInt64/entrySize {
		return nil, stream{}, fs.ErrNotExist
	}
	file, err := e.vol.Cache.Bytes(int64(id.Ino)*entrySize, entrySize)
	if err != nil {
		return nil, stream{}, fmt.Errorf("exfat: %w", err)
	}
	ext, err := e.vol.Cache.Bytes(int64(id.Tree)*entrySize, entrySize)
	if err != nil {
		return nil, stream{}, fmt.Errorf("exfat: %w", err)
	}
	if file[0] != typeFile || ext[0] != typeStream {
		return nil, stream{}, fs.ErrNotExist
	}
	s, err := entry(ext).stream()
	return file, s, err
}

// Stat implements [fstree.Engine].
func (e *engine) Stat(id fstree.ID) (fstree.Stat, error) {
	if id == e.Root() {
		st := fstree.Stat{Mode: fs.ModeDir | 0o755, Mtime: time.Unix(0, 0).UTC()} // none is stored
		chain, err := e.directory(id)
		if err != nil {
			return st, err
		}
		st.Size = chain.Len() << e.vol.Bits
		return e.dirStat(id, st), nil
	}
	file, s, err := e.file(id)
	if err != nil {
		return fstree.Stat{}, err
	}
	st := fstree.Stat{
		Mode:  file.mode(),
		Nlink: 1,
		Size:  s.size,
		Mtime: e.timeOf(file.u32(12), file[21], file[23]),
		Atime: e.timeOf(file.u32(16), 0, file[24]),
		Btime: e.timeOf(file.u32(8), file[20], file[22]),
	}
	st.Ctime = st.Mtime // nothing is stored for it, and Linux shows this
	if file.isDir() {
		return e.dirStat(id, st), nil
	}
	return e.fill(id, st), nil
}

// dirStat counts the links of a directory: its own two and one of each
// directory in it. The part that cannot be read does not count.
func (e *engine) dirStat(id fstree.ID, st fstree.Stat) fstree.Stat {
	st.Nlink = 2
	_ = e.entries(id, func(en entry, _ int64) bool {
		if en.kind() == typeFile && en.isDir() {
			st.Nlink++
		}
		return true
	})
	return e.fill(id, st)
}

// fill adds what follows from the rest.
func (e *engine) fill(id fstree.ID, st fstree.Stat) fstree.Stat {
	st.Ino = id.Ino
	mask := e.vol.ClusterSize() - 1
	st.Blocks = st.Size / 512
	if st.Size <= math.MaxInt64-mask {
		st.Blocks = (st.Size + mask) &^ mask / 512
	}
	return st
}

// Open implements [fstree.Engine].
func (e *engine) Open(id fstree.ID) (fstree.Content, error) {
	file, s, err := e.file(id)
	if err != nil {
		return nil, err
	}
	if file.isDir() {
		return nil, fmt.Errorf("exfat: %w", fs.ErrInvalid)
	}
	name := structure("file", id)
	if err := e.vol.Fits(name, s.size); err != nil {
		return nil, err
	}
	return clusters.NewContent(name, e.chain(name, s, math.MaxInt64), s.size, s.valid), nil
}

// Readlink implements [fstree.Engine]. There are no symbolic links.
func (e *engine) Readlink(fstree.ID) (string, error) { return "", fs.ErrInvalid }

// Xattrs implements [fstree.Engine]. There are none.
func (e *engine) Xattrs(fstree.ID) (map[string][]byte, error) { return nil, nil }

func structure(what string, id fstree.ID) string {
	return fmt.Sprintf("%s of inode %d", what, id.Ino)
}
