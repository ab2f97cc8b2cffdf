package vdi

import (
	"context"
	"encoding/binary"

	"github.com/qedfs/qedfs/adapters/images/internal/fill"
	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// WriteOptions say what a new image is like. The zero value, and nil, are the
// defaults.
type WriteOptions struct {
	layer.WriteOptions

	// Fixed gives each block of the disk its place in the file from the
	// beginning: qemu-img's static=on.
	Fixed bool
}

const (
	newBlockSize = 1 << 20
	newMapAt     = 512
	// maxNewBlocks is how many blocks a disk has at most, as in qemu.
	maxNewBlocks = 0x3fffffff
	// newHeaderSize counts from its own field on.
	newHeaderSize = 0x180
	newText       = "<<< qedfs Virtual Disk Image >>>\n"
)

// Write writes the disk src as a new image to dst, which is empty. If it fails
// dst holds a part of the image.
func Write(ctx context.Context, dst backend.Storage, src qedfile.Disk, opts *WriteOptions) error {
	if opts == nil {
		opts = &WriteOptions{}
	}
	blocks := layer.RoundUp(src.Size(), newBlockSize) / newBlockSize
	if blocks > maxNewBlocks {
		return unsupported("a disk of %d bytes", src.Size())
	}
	data := layer.RoundUp(newMapAt+4*blocks, newMapAt)
	table := &fill.Table{To: dst, At: newMapAt, Len: blocks, Order: binary.LittleEndian, Fill: entryFree}
	used := int64(0)
	place := func(i int64) (int64, error) {
		used++
		return data + (used-1)*newBlockSize, table.Set(i, uint64(used-1))
	}
	if opts.Fixed {
		for i := range blocks {
			if err := table.Set(i, uint64(i)); err != nil {
				return err
			}
		}
		used = blocks
		place = func(i int64) (int64, error) { return data + i*newBlockSize, nil }
	}
	if err := fill.Blocks(ctx, dst, src, newBlockSize, place, &opts.WriteOptions); err != nil {
		return err
	}
	if err := table.Close(); err != nil {
		return err
	}
	if err := dst.Truncate(data + used*newBlockSize); err != nil {
		return err
	}
	_, err := dst.WriteAt(newHeader(src.Size(), blocks, used, data, opts), 0)
	return err
}

func newHeader(size, blocks, used, data int64, opts *WriteOptions) []byte {
	b := make([]byte, headerBytes)
	u32 := func(at int, v int64) { binary.LittleEndian.PutUint32(b[at:], uint32(v)) }
	copy(b, newText)
	u32(atSignature, signature)
	u32(atVersion, version1_1)
	u32(atHeaderSize, newHeaderSize)
	u32(atType, int64(Dynamic))
	if opts.Fixed {
		u32(atType, int64(Fixed))
	}
	u32(atMap, newMapAt)
	u32(atData, data)
	u32(atSectorSize, sectorSize)
	binary.LittleEndian.PutUint64(b[atDiskSize:], uint64(layer.RoundUp(size, sectorSize)))
	u32(atBlockSize, newBlockSize)
	u32(atBlocks, blocks)
	u32(atAllocated, used)
	for _, at := range []int{atID, atModified} {
		id := layer.NewUUID()
		copy(b[at:], id[:])
	}
	return b
}
