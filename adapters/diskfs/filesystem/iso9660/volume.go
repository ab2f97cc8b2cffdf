package iso9660

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
)

// Descriptors lie in sectors of 2 KiB from the sixteenth on, whatever the
// block size of the volume (ECMA-119, 6.7.1).
const (
	descriptorStart = 16 * descriptorSize
	descriptorSize  = 2048
	maxDescriptors  = 100 // as many as the kernel looks at

	typePrimary       = 1
	typeSupplementary = 2
	typeTerminator    = 255
)

// flavor is where names and attributes come from.
type flavor uint8

const (
	plain flavor = iota
	joliet
	rockRidge
)

// engine is the reader behind FS.
type engine struct {
	cache  *fstree.Cache
	r      io.ReaderAt
	size   int64
	end    int64 // of the volume, as it says or as it is: the greater
	block  int64
	root   fstree.ID
	flavor flavor
	skip   int // bytes at the start of each system use area that are not Rock Ridge's
	info   fstree.Info
}

var _ fstree.Engine = (*engine)(nil)

// Open reads the filesystem that fills the size bytes of r. The error wraps
// [fstree.ErrNotThis] if there is none, and [fstree.ErrUnsupported] for a High
// Sierra volume.
func Open(r io.ReaderAt, size int64) (*fstree.FS, error) {
	e := &engine{cache: fstree.NewCache(r, size, 0), r: r, size: size}
	if err := e.open(); err != nil {
		return nil, fmt.Errorf("iso9660: %w", err)
	}
	return fstree.Open(e)
}

func (e *engine) open() error {
	first, err := e.descriptor(0)
	if err != nil {
		return fmt.Errorf("%w: %w", fstree.ErrNotThis, err)
	}
	if string(first[9:14]) == "CDROM" {
		return fmt.Errorf("a High Sierra volume: %w", fstree.ErrUnsupported)
	}
	primary, supplementary, err := e.descriptors()
	if err != nil {
		return err
	}
	if primary == nil {
		return fstree.ErrNotThis
	}
	e.block = int64(binary.LittleEndian.Uint16(primary[128:]))
	if e.block < 512 || e.block > descriptorSize || bits.OnesCount64(uint64(e.block)) != 1 {
		return e.damage("primary volume descriptor", descriptorStart, fmt.Sprintf("block size %d", e.block))
	}
	if err := e.chooseRoot(primary, supplementary); err != nil {
		return err
	}
	sig, err := probe.Identify(e.r, e.size)
	if err != nil {
		return err
	}
	e.info = fstree.Info{
		Type: "iso9660", Label: sig.Label, UUID: sig.UUID, BlockSize: e.block,
		Size: int64(binary.LittleEndian.Uint32(primary[80:])) * e.block,
	}
	e.end = max(e.info.Size, e.size)
	e.info.CutOff(e.info.Size, e.size)
	if e.isBridge() {
		e.info.Notes = append(e.info.Notes, "there is a UDF filesystem of the same files, which is not read")
	}
	return nil
}

func (e *engine) descriptor(i int64) ([]byte, error) {
	return e.cache.Bytes(descriptorStart+i*descriptorSize, descriptorSize)
}

// descriptors finds the primary descriptor and that of Joliet, nil where there
// is none.
func (e *engine) descriptors() (primary, supplementary []byte, err error) {
	for i := range int64(maxDescriptors) {
		d, err := e.descriptor(i)
		if err != nil {
			break // no terminator: what was found is all there is
		}
		if string(d[1:6]) != "CD001" || d[0] == typeTerminator {
			break
		}
		switch {
		case d[0] == typePrimary && primary == nil:
			primary = d
		case d[0] == typeSupplementary && isJoliet(d) && supplementary == nil:
			supplementary = d
		}
	}
	return primary, supplementary, nil
}

// isBridge looks for the descriptors of UDF, which follow those of ISO 9660
// (ECMA-167, 2/9).
func (e *engine) isBridge() bool {
	for i := range int64(maxDescriptors) {
		d, err := e.descriptor(i)
		if err != nil {
			return false
		}
		switch string(d[1:6]) {
		case "NSR02", "NSR03":
			return true
		case "CD001", "BEA01", "BOOT2":
		default:
			return false
		}
	}
	return false
}

// isJoliet looks for the escape sequences of UCS-2 level 1 to 3.
func isJoliet(d []byte) bool {
	return d[88] == '%' && d[89] == '/' && (d[90] == '@' || d[90] == 'C' || d[90] == 'E')
}

// rootRecord is where a descriptor holds the record of its root directory.
const rootRecord = 156

// chooseRoot prefers Rock Ridge to Joliet, and Joliet to nothing, as the
// kernel does.
func (e *engine) chooseRoot(primary, supplementary []byte) error {
	e.setRoot(primary)
	self, err := e.record(int64(e.root.Ino))
	if err != nil {
		if supplementary == nil {
			return err
		}
	} else if skip, ok := self.sharingProtocol(); ok {
		e.skip = skip
		if rr, err := e.rockRidge(self); err == nil && rr.hasMode {
			e.flavor = rockRidge
			return nil
		}
	}
	if supplementary != nil {
		e.flavor = joliet
		e.setRoot(supplementary)
	}
	return nil
}

func (e *engine) setRoot(descriptor []byte) {
	root := decodeRecord(descriptor[rootRecord : rootRecord+34])
	e.root = e.directory(root.extent)
}

// directory identifies a directory by the place of its first record, the one
// for itself, whatever record leads there.
func (e *engine) directory(extent int64) fstree.ID {
	return fstree.ID{Ino: uint64(extent * e.block)}
}

func (e *engine) Info() fstree.Info { return e.info }
func (e *engine) Root() fstree.ID   { return e.root }

func (e *engine) damage(structure string, off int64, why string) error {
	return &fstree.DamageError{FS: "iso9660", Structure: structure, Block: off / max(e.block, 512), Why: why}
}
