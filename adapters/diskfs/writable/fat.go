package writable

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/diskfs/go-diskfs/backend"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fat"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// volume is a FAT on a storage of go-diskfs, with the layout that its boot
// sector describes (Microsoft's FAT specification, "Boot sector and BPB").
type volume struct {
	storage backend.Storage
	start   int64 // bytes, where the volume begins

	size        int64 // bytes, and so all below
	cluster     int64
	fatStart    int64
	fatSize     int64
	rootStart   int64 // FAT12 and FAT16
	rootEntries int64
	dataStart   int64
	fsInfo      int64 // FAT32, 0 for none
	rootCluster uint32
	clusters    uint32
	bits        int // 12, 16 or 32: of a table's entry
}

func newVolume(storage backend.Storage, start int64) (*volume, error) {
	v := &volume{storage: storage, start: start}
	b, err := v.read(0, 512)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	sector := int64(le.Uint16(b[11:]))
	sectors, fatSectors := int64(le.Uint16(b[19:])), int64(le.Uint16(b[22:]))
	if sectors == 0 {
		sectors = int64(le.Uint32(b[32:]))
	}
	if fatSectors == 0 {
		fatSectors = int64(le.Uint32(b[36:]))
		v.bits, v.rootCluster, v.fsInfo = 32, le.Uint32(b[44:]), int64(le.Uint16(b[48:]))*sector
	}
	v.size, v.cluster = sectors*sector, sector*int64(b[13])
	v.fatStart, v.fatSize = int64(le.Uint16(b[14:]))*sector, fatSectors*sector
	v.rootStart, v.rootEntries = v.fatStart+int64(b[16])*v.fatSize, int64(le.Uint16(b[17:]))
	if sector < 512 || v.cluster == 0 {
		return nil, errors.New("writable: not a FAT boot sector")
	}
	v.dataStart = v.rootStart + (v.rootEntries*32+sector-1)/sector*sector
	count := (v.size - v.dataStart) / v.cluster
	switch {
	case v.bits == 32:
	case count < 4085:
		v.bits = 12
	default:
		v.bits = 16
	}
	if count <= 0 || count > maxClusters || (count+2)*int64(v.bits) > v.fatSize*8 {
		return nil, fmt.Errorf("%w: a volume of %d clusters whose table has %d entries", ErrRefused, count, v.fatSize*8/int64(v.bits))
	}
	v.clusters = uint32(count)
	return v, nil
}

func (v *volume) read(off, n int64) ([]byte, error) {
	b := make([]byte, n)
	if got, err := v.storage.ReadAt(b, v.start+off); got < len(b) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("writable: read: %w", err)
	}
	return b, nil
}

// write changes bytes of the volume, if they are not so already.
func (v *volume) write(off int64, b []byte) error {
	now, err := v.read(off, int64(len(b)))
	if err != nil || string(now) == string(b) {
		return err
	}
	w, err := v.storage.Writable()
	if err != nil {
		return err
	}
	_, err = w.WriteAt(b, v.start+off)
	return err
}

// reader shows the volume as it is now.
func (v *volume) reader() (*fstree.FS, error) {
	f, err := fat.Open(io.NewSectionReader(v.storage, v.start, v.size), v.size)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// checkName follows the specification of long names, less what go-diskfs
// stores wrongly.
func checkName(name string) error {
	units := len(utf16.Encode([]rune(name)))
	switch {
	case !utf8.ValidString(name) || strings.ContainsAny(name, "\"*/:<>?\\|\x7f") || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }):
		return fmt.Errorf("a name that FAT does not allow: %w", fs.ErrInvalid)
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "):
		return fmt.Errorf("a name that ends with a dot or a space, which FAT does not keep: %w", fs.ErrInvalid)
	case units > 255:
		return fmt.Errorf("a name of more than 255 characters: %w", fs.ErrInvalid)
	case strings.HasPrefix(name, "."):
		return fmt.Errorf("%w: names that begin with a dot", ErrRefused)
	case strings.ContainsFunc(name, func(r rune) bool { return r > 0xffff }):
		return fmt.Errorf("%w: names with characters beyond U+FFFF", ErrRefused)
	case entries(units) != entries(len(name)): // it counts bytes, and fills an entry too many with rubbish
		return fmt.Errorf("%w: this name, for its characters outside ASCII at this length", ErrRefused)
	}
	return nil
}

// entries is how many directory entries a long name of n units takes.
func entries(n int) int64 { return (int64(n) + 12) / 13 }

// room counts free clusters inside the volume: go-diskfs takes them from the
// front, so it stays inside as long as there are enough. A directory may grow
// by one that has to be counted as well.
func (v *volume) room(parent, newName string, size, oldSize int64) error {
	slots := entries(len(newName)) + 1
	perDirectory := (slots*32+v.cluster-1)/v.cluster + 1
	need := (size+v.cluster-1)/v.cluster - (oldSize+v.cluster-1)/v.cluster + perDirectory
	free, err := v.free(need)
	if err != nil {
		return err
	}
	if free < need {
		return ErrNoSpace
	}
	if v.bits == 32 || parent != "." || newName == "" {
		return nil
	}
	root, err := v.read(v.rootStart, v.rootEntries*32)
	if err != nil {
		return err
	}
	used := int64(0)
	for ; len(root) >= 32; root = root[32:] {
		if root[0] != 0 && root[0] != 0xe5 {
			used++
		}
	}
	if used+slots > v.rootEntries {
		return fmt.Errorf("%w: the root directory is full", ErrNoSpace)
	}
	return nil
}

// free counts free clusters, up to as many as are asked for.
func (v *volume) free(most int64) (n int64, err error) {
	table := fatTable{volume: v}
	for c := uint32(2); c < v.clusters+2 && n < most; c++ {
		next, err := table.entry(c)
		if err != nil {
			return n, err
		}
		if next == 0 {
			n++
		}
	}
	return n, nil
}

// tableWindow is how much of a table is read at once, in bytes. No entry of
// any kind lies across two windows.
const tableWindow = 96 << 10

// fatTable is the first copy of the table, read as far as it is asked for.
type fatTable struct {
	*volume
	at     int64 // where the window begins in the table, bytes
	window []byte
}

// entry is what the table says of a cluster.
func (t *fatTable) entry(c uint32) (uint32, error) {
	bit := int64(c) * int64(t.bits)
	off := bit / 8
	if at := off - off%tableWindow; t.window == nil || at != t.at {
		b, err := t.read(t.fatStart+at, min(tableWindow, t.fatSize-at))
		if err != nil {
			return 0, err
		}
		t.at, t.window = at, b
	}
	b := t.window[off-t.at:]
	switch t.bits {
	case 12:
		return uint32(binary.LittleEndian.Uint16(b)) >> (bit % 8) & 0xfff, nil
	case 16:
		return uint32(binary.LittleEndian.Uint16(b)), nil
	}
	return binary.LittleEndian.Uint32(b) & 0x0fffffff, nil
}

// mend sets right a FAT32: the count of free clusters, which is out of date,
// is marked as unknown, and directories in the root say so in their "..", by
// cluster 0 and not by the root's own number.
func (v *volume) mend() error {
	if v.bits != 32 {
		return nil
	}
	if v.fsInfo != 0 && v.fsInfo < v.fatStart {
		const freeCount, unknown = 488, "\xff\xff\xff\xff"
		if err := v.write(v.fsInfo+freeCount, []byte(unknown)); err != nil {
			return err
		}
	}
	table := fatTable{volume: v}
	c := v.rootCluster
	for left := int64(maxDirectory); left > 0 && c >= 2 && c < v.clusters+2; left -= v.cluster {
		dir, err := v.read(v.offset(c), v.cluster)
		if err != nil {
			return err
		}
		for ; len(dir) >= 32 && dir[0] != 0; dir = dir[32:] {
			if err := v.mendParent(dir[:32]); err != nil {
				return err
			}
		}
		if c, err = table.entry(c); err != nil {
			return err
		}
	}
	return nil
}

// maxClusters is what the 28 bits of an entry can tell apart.
const maxClusters = 1 << 28

// maxDirectory is how large a directory can be, in bytes.
const maxDirectory = 65536 * 32

func (v *volume) offset(cluster uint32) int64 { return v.dataStart + int64(cluster-2)*v.cluster }

// mendParent mends the ".." of the directory that an entry of the root leads to.
func (v *volume) mendParent(e []byte) error {
	const attributes, volume, directory = 11, 0x08, 0x10
	if e[0] == 0xe5 || e[attributes]&(volume|directory) != directory {
		return nil
	}
	c := uint32(binary.LittleEndian.Uint16(e[20:]))<<16 | uint32(binary.LittleEndian.Uint16(e[26:]))
	if c < 2 || c >= v.clusters+2 {
		return nil
	}
	parent, err := v.read(v.offset(c)+32, 32)
	if err != nil || string(parent[:11]) != "..         " {
		return err
	}
	binary.LittleEndian.PutUint16(parent[20:], 0)
	binary.LittleEndian.PutUint16(parent[26:], 0)
	return v.write(v.offset(c)+32, parent)
}
