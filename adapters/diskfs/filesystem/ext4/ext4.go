package ext4

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Open reads the filesystem that fills the size bytes of r. The error wraps
// [fstree.ErrNotThis] if there is none, and [fstree.ErrUnsupported] with the
// feature's name if it has one that this reader does not know.
func Open(r io.ReaderAt, size int64) (*fstree.FS, error) {
	e, err := open(r, size)
	if err != nil {
		return nil, err
	}
	return fstree.Open(e)
}

// engine implements [fstree.Engine]. It does not change after open, but for
// what its cache and its table of groups keep.
type engine struct {
	sb     *superblock
	cache  *fstree.Cache
	groups *groupTable
	notes  []string
	info   func() fstree.Info
	fast   *fastCommits // nil but after a crash
}

var _ fstree.Engine = (*engine)(nil)

func open(r io.ReaderAt, size int64) (*engine, error) {
	e, err := openVolume(r, size)
	if err != nil {
		return nil, err
	}
	if !e.sb.incompat.has(incompatNeedsRecover) {
		return e, nil
	}
	if e.sb.journalDev != 0 || e.sb.journalIno == 0 {
		// As the kernel does with noload, the one way to mount it then.
		e.notes = append(e.notes, "the journal is on another device, "+asBefore)
		return e, nil
	}
	replayed, err := e.replay(r, size)
	if errors.Is(err, fstree.ErrDamaged) || errors.Is(err, io.ErrUnexpectedEOF) {
		e.notes = append(e.notes, "the journal could not be replayed, "+asBefore+": "+err.Error())
		return e, nil
	}
	return replayed, err
}

const asBefore = "files are as they were before it"

// openVolume opens the filesystem as it lies on the volume.
func openVolume(r io.ReaderAt, size int64) (*engine, error) {
	cache := fstree.NewCache(r, size, 0)
	sb, note, err := readSuperblock(cache)
	if err != nil {
		return nil, err
	}
	e := &engine{sb: sb, cache: cache}
	if note != "" {
		e.notes = append(e.notes, note)
	}
	e.groups = newGroupTable(sb, e.cache)
	e.info = sync.OnceValue(e.makeInfo)
	return e, nil
}

// present is how many blocks of the filesystem the volume has.
func (e *engine) present() uint64 {
	return min(e.sb.blocks, uint64(e.cache.Size())>>e.sb.blockBits)
}

// replay opens the filesystem as it is after its journal.
func (e *engine) replay(r io.ReaderAt, size int64) (*engine, error) {
	j, err := e.openJournal()
	if err != nil {
		return nil, err
	}
	recovered, patches, err := j.recover()
	if err != nil {
		return nil, err
	}
	tags, err := j.fastTags(recovered.sequence)
	if err != nil {
		return nil, err
	}
	if len(patches) == 0 && len(tags) == 0 {
		return e, recovered.damage
	}
	replayed, err := openVolume(&overlay{r: r, blockBits: e.sb.blockBits, patches: patches}, size)
	if err != nil {
		return nil, err
	}
	if replayed.sb.blockBits != e.sb.blockBits {
		return nil, damagedJournal(-1, "it changes the block size")
	}
	note := fmt.Sprintf("the journal was replayed in memory (%d blocks", len(patches))
	if len(tags) > 0 {
		if err := replayed.replayFast(tags); err != nil {
			return nil, err
		}
		note += fmt.Sprintf(", %d tags of fast commits", len(tags))
	}
	note += ")"
	if recovered.damage != nil {
		note += ", but not whole: " + recovered.damage.Error()
	}
	replayed.notes = append(slices.Clip(e.notes), note)
	return replayed, nil
}

// Root implements [fstree.Engine].
func (e *engine) Root() fstree.ID { return fstree.ID{Ino: rootIno} }
