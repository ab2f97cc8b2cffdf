package ntfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"strings"
	"sync"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/pieces"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ntfs/internal/wof"
)

const (
	cacheBudget = 16 << 20 // bytes of metadata
	upcaseSize  = 128 << 10
	maxXattr    = 64 << 10 // bytes of a stream that is shown as an attribute (XATTR_SIZE_MAX)

	volumeDirty = 1 // flag of the volume information

	// otherSpaces begins the names of streams in which ntfs-3g keeps
	// attributes that are not the user's. It does not list them.
	otherSpaces = "ntfs-3g."
)

// Open opens the volume on the first size bytes of r, which is only read.
//
// The error wraps [fstree.ErrNotThis] where there is no boot sector of NTFS,
// and is a [*fstree.DamageError] where the Master File Table cannot be read.
func Open(r io.ReaderAt, size int64) (*fstree.FS, error) {
	v, err := open(r, size)
	if err != nil {
		return nil, err
	}
	return fstree.Open(v)
}

// volume is the engine beneath an FS. Nothing in it changes after open but
// its caches.
type volume struct {
	boot     *boot
	r        io.ReaderAt
	cache    *fstree.Cache
	mft      stream
	units    pieces.Recent // decompressed, by the byte of the volume where they begin
	decoders sync.Pool     // of *wof.Decoder
	upcase   func() (upcase, error)
	free     func() (int64, error)
	label    string
	dirty    bool
}

var (
	_ fstree.Engine  = (*volume)(nil)
	_ fstree.Streams = (*volume)(nil)
)

func open(r io.ReaderAt, size int64) (*volume, error) {
	b, err := readBoot(r, size)
	if err != nil {
		return nil, err
	}
	v := &volume{boot: b, r: r, cache: fstree.NewCache(r, size, cacheBudget)}
	v.decoders.New = func() any { return new(wof.Decoder) }
	v.upcase = sync.OnceValues(v.readUpcase)
	v.free = sync.OnceValues(v.countFree)
	if err := v.readMFT(); err != nil {
		return nil, err
	}
	if err := v.readVolume(); err != nil {
		return nil, err
	}
	_, err = v.index(recordRoot)
	return v, err
}

// readVolume reads label and state from the $Volume record.
func (v *volume) readVolume() error {
	f, err := v.file(recordVolume)
	if err != nil {
		return err
	}
	label, err := f.value(attrVolumeName, "", maxRecord)
	if err != nil && !errors.Is(err, errNoAttribute) {
		return err
	}
	v.label = decodeUTF16(label)
	info, err := f.value(attrVolumeInfo, "", maxRecord)
	if err != nil && !errors.Is(err, errNoAttribute) {
		return err
	}
	v.dirty = len(info) >= 12 && le.Uint16(info[10:])&volumeDirty != 0
	return nil
}

// readUpcase reads the table of upper-case letters.
func (v *volume) readUpcase() (upcase, error) {
	f, err := v.file(recordUpcase)
	if err != nil {
		return nil, err
	}
	b, err := f.value(attrData, "", upcaseSize)
	if err != nil {
		return nil, err
	}
	table := make(upcase, len(b)/2)
	for i := range table {
		table[i] = le.Uint16(b[2*i:])
	}
	return table, nil
}

// countFree counts the clusters that the bitmap has as free, up to where it
// can be read.
func (v *volume) countFree() (int64, error) {
	f, err := v.file(recordBitmap)
	if err != nil {
		return 0, err
	}
	s, err := f.stream(attrData, "")
	if err != nil {
		return 0, err
	}
	clusters := v.boot.size / v.boot.cluster
	used, b := int64(0), make([]byte, 1<<20)
	for off := int64(0); off < min(s.size, (clusters+7)/8); off += int64(len(b)) {
		n, err := s.ReadAt(b, off)
		for i, x := range b[:n] {
			if rest := clusters - (off+int64(i))*8; rest < 8 {
				x &= 1<<max(rest, 0) - 1 // what lies past the end counts as used
			}
			used += int64(bits.OnesCount8(x))
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
	}
	return (clusters - used) * v.boot.cluster, nil
}

// Root returns the root directory.
func (v *volume) Root() fstree.ID { return fstree.ID{Ino: recordRoot} }

// Info describes the volume. Counting free clusters reads the bitmap, once.
func (v *volume) Info() fstree.Info {
	free, err := v.free()
	info := fstree.Info{
		Type: "ntfs", Label: v.label, UUID: fmt.Sprintf("%016X", v.boot.serial), BlockSize: v.boot.cluster,
		Size: v.boot.size / v.boot.cluster * v.boot.cluster, Free: free, FreeErr: err, Dirty: v.dirty,
	}
	if v.boot.note != "" {
		info.Notes = append(info.Notes, v.boot.note)
	}
	if v.dirty {
		info.Notes = append(info.Notes, "not unmounted cleanly: the journal is not replayed")
	}
	info.CutOff(v.boot.size, v.cache.Size())
	return info
}

// Xattrs returns the alternate data streams of at most 64 KiB as attributes of
// the user, as ntfs-3g does.
func (v *volume) Xattrs(id fstree.ID) (map[string][]byte, error) {
	f, err := v.file(id.Ino)
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for _, name := range f.streams() {
		if strings.HasPrefix(name, otherSpaces) || name == streamWOF { // the contents of the file itself
			continue
		}
		s, err := f.stream(attrData, name)
		if err != nil {
			return all, err
		}
		if s.size > maxXattr {
			continue
		}
		if all["user."+name], err = s.whole(maxXattr); err != nil {
			return all, err
		}
	}
	return all, nil
}

// streams returns the names of the alternate data streams.
func (f *file) streams() []string {
	var names []string
	_ = f.attributes(func(a attribute) bool {
		if a.kind == attrData && a.name != "" && a.lowestVCN == 0 {
			names = append(names, a.name)
		}
		return true
	})
	return names
}

// Streams implements [fstree.Streams].
func (v *volume) Streams(id fstree.ID) ([]string, error) {
	f, err := v.file(id.Ino)
	if err != nil {
		return nil, err
	}
	return f.streams(), nil
}

// OpenStream implements [fstree.Streams].
func (v *volume) OpenStream(id fstree.ID, name string) (fstree.Content, error) {
	f, err := v.file(id.Ino)
	if err != nil {
		return nil, err
	}
	s, err := f.stream(attrData, name)
	if errors.Is(err, errNoAttribute) {
		return nil, fmt.Errorf("ntfs: stream %q: %w", name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}
