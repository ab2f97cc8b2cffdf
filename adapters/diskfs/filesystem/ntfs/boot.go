package ntfs

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	bootSize   = 512
	bootMagic  = "NTFS    "
	fixupUnit  = 512 // bytes whose last two are replaced by a number in records on disk
	minCluster = 256
	maxCluster = 2 << 20
	maxRecord  = 64 << 10 // bytes of an MFT record or an index block
)

var le = binary.LittleEndian

// boot is the boot sector, validated.
type boot struct {
	cluster int64 // bytes
	size    int64 // bytes of the volume
	mft     int64 // byte where the MFT begins
	record  int64 // bytes of an MFT record
	serial  uint64
	note    string // where it was the copy that was read
}

func damaged(structure string, block int64, format string, args ...any) error {
	return &fstree.DamageError{FS: "ntfs", Structure: structure, Block: block, Why: fmt.Sprintf(format, args...)}
}

// readBoot reads the boot sector, or where that is damaged the copy of it after
// the volume's last sector, which is the last of the partition.
func readBoot(r io.ReaderAt, size int64) (*boot, error) {
	if size < bootSize {
		return nil, fmt.Errorf("ntfs: %w", fstree.ErrNotThis)
	}
	b := make([]byte, bootSize)
	if n, err := r.ReadAt(b, 0); n < len(b) {
		return nil, fmt.Errorf("ntfs: boot sector: %w", err)
	}
	if string(b[3:11]) != bootMagic {
		return nil, fmt.Errorf("ntfs: %w", fstree.ErrNotThis)
	}
	v, err := parseBoot(b)
	if err == nil {
		return v, nil
	}
	for sector := int64(512); sector <= 4096 && size >= 2*sector; sector *= 2 {
		at := size - sector
		if n, _ := r.ReadAt(b, at); n < len(b) || string(b[3:11]) != bootMagic {
			continue
		}
		if v, damaged := parseBoot(b); damaged == nil && v.size == at {
			v.note = fmt.Sprintf("the boot sector is damaged and its copy is used: %v", err)
			return v, nil
		}
	}
	return nil, err
}

func parseBoot(b []byte) (*boot, error) {
	sector := int64(le.Uint16(b[11:]))
	if sector < 256 || sector > 4096 || sector&(sector-1) != 0 {
		return nil, damaged("boot sector", 0, "sectors of %d bytes", sector)
	}
	v := &boot{cluster: sector * units(b[13]), serial: le.Uint64(b[72:])}
	if v.cluster < minCluster || v.cluster > maxCluster || v.cluster&(v.cluster-1) != 0 {
		return nil, damaged("boot sector", 0, "clusters of %d bytes", v.cluster)
	}
	sectors, mft := le.Uint64(b[40:]), le.Uint64(b[48:])
	if sectors > math.MaxInt64/uint64(sector) || mft > math.MaxInt64/uint64(v.cluster) {
		return nil, damaged("boot sector", 0, "%d sectors, MFT at cluster %d", sectors, mft)
	}
	v.size, v.mft = int64(sectors)*sector, int64(mft)*v.cluster
	v.record = recordSize(b[64], v.cluster)
	if v.record < 2*fixupUnit || v.record > maxRecord || v.record&(v.record-1) != 0 {
		return nil, damaged("boot sector", 0, "MFT records of %d bytes", v.record)
	}
	return v, nil
}

// units is the number of sectors of a cluster: as it is, or for the largest
// clusters as the negative of a power of two.
func units(b byte) int64 {
	if b <= 128 {
		return int64(b)
	}
	return 1 << min(256-int(b), 32)
}

// recordSize is the size of a record: in clusters, or if negative as a power
// of two in bytes.
func recordSize(b byte, cluster int64) int64 {
	if n := int8(b); n < 0 {
		return 1 << min(-int(n), 32)
	}
	return int64(b) * cluster
}
