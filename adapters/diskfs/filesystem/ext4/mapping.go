package ext4

// A mapping tells where the blocks of a file lie. It reads no more of the
// block map or extent tree than it is asked for.
type mapping interface {
	// run returns the run of blocks that begins at the given block of the
	// file: as long as it is cheap to know, at least one block.
	run(logical uint64) (run, error)
}

// run is a row of blocks of a file.
type run struct {
	count    uint64
	physical uint64 // first block on the volume, 0 in a hole
	stored   bool   // else it reads as zeroes: a hole, or allocated but never written
}

// isHole reports whether the volume has no blocks for the run.
func (r run) isHole() bool { return !r.stored && r.physical == 0 }

// endOfFile is more blocks than any file has: the length of the hole past
// the last block.
const endOfFile = 1 << 48

// mapping returns what finds the blocks of an inode.
func (e *engine) mapping(in *inode) (mapping, error) {
	if in.has(flagExtents) {
		root, err := e.parseExtents(in, in.block, -1, anyDepth, 0, 1<<32)
		if err != nil {
			return nil, err
		}
		return e.fast.mapping(in.num, &extentTree{e: e, in: in, root: root}), nil
	}
	return e.fast.mapping(in.num, &blockMap{e: e, in: in}), nil
}

// block returns a block of the volume, which the caller must not change.
func (e *engine) block(n uint64) ([]byte, error) {
	return e.cache.Bytes(int64(n)<<e.sb.blockBits, e.sb.blockSize)
}
