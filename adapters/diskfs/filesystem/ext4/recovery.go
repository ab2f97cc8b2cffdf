package ext4

import (
	"maps"
	"slices"
)

// recovery is the replay of a journal, done as jbd2 does it
// (do_one_pass in fs/jbd2/recovery.c) but for writing: it ends as a list of
// patches.
type recovery struct {
	j        *journal
	sequence uint32 // of the transaction that is read
	lastTime uint64 // of the last commit

	// What the transaction that is read has so far.
	pending []tagged
	revokes []uint64 // blocks of the journal with revocations
	suspect bool     // a checksum in it was wrong
	sum     uint32   // over its descriptors and blocks, for version 1

	revoked int // blocks that were named in revocations so far

	// What the transactions before it leave: the newest of each block.
	blocks map[uint64]tagged

	damage error // what ended the replay early, or was left out of it
}

// What a replay may take. A journal that its inode maps to a few blocks, over
// and over, has no end otherwise.
const (
	maxReplayed = 1 << 20 // blocks: 4 GiB of the usual ones; an ordinary journal has 1 GiB in all
	maxRevoked  = 1 << 26 // blocks named in revocations, which have 256 MiB then
)

// recover returns what the journal changes. The recovery has the sequence
// number after the last transaction, and the damage that did not prevent it.
func (j *journal) recover() (*recovery, []patch, error) {
	r := &recovery{j: j, sequence: j.sequence, sum: ^uint32(0),
		blocks: map[uint64]tagged{}}
	if j.start != 0 {
		if err := r.scan(); err != nil {
			return nil, nil, err
		}
	}
	patches, err := r.patches()
	return r, patches, err
}

// scan reads transactions until one is not complete.
func (r *recovery) scan() error {
	j := r.j
	for at, left := j.start, j.end-j.first; left > 0; {
		b, _, err := j.block(at)
		if err != nil {
			return err
		}
		if be.Uint32(b) != journalMagic || be.Uint32(b[8:]) != r.sequence {
			return nil
		}
		next := j.next(at)
		switch be.Uint32(b[4:]) {
		case blockDescriptor:
			next, err = r.descriptor(b, next)
		case blockRevoke:
			// The list may be long, and is not needed before the commit.
			r.suspect = r.suspect || !j.tailIsValid(b)
			if r.revokes = append(r.revokes, at); len(r.revokes) > maxReplayed {
				return damagedJournal(-1, "more than %d blocks of revocations", maxReplayed)
			}
		case blockCommit:
			var more bool
			if more, err = r.commit(b); err == nil && !more {
				return nil
			}
		default:
			return nil
		}
		if err != nil {
			return err
		}
		// A transaction longer than the ring overwrites its own start.
		used := (next + (j.end - j.first) - at) % (j.end - j.first)
		left -= min(left, max(used, 1))
		at = next
	}
	return nil
}

// descriptor notes the blocks that a descriptor before block n describes.
func (r *recovery) descriptor(b []byte, n uint64) (next uint64, err error) {
	// A block that was left from an earlier use of the ring may have the
	// expected number by chance; its commit tells.
	r.suspect = r.suspect || !r.j.tailIsValid(b)
	tags, next := r.j.tags(b, r.sequence, n)
	if len(r.blocks)+len(r.pending)+len(tags) > maxReplayed {
		return 0, damagedJournal(-1, "more than %d blocks to replay", maxReplayed)
	}
	r.pending = append(r.pending, tags...)
	if !r.j.compat.has(journalChecksum) {
		return next, nil
	}
	r.sum = crc32be(r.sum, b)
	for _, t := range tags {
		b, _, err := r.j.block(t.at)
		if err != nil {
			return 0, err
		}
		r.sum = crc32be(r.sum, b)
	}
	return next, nil
}

// commit ends a transaction; more tells whether another may follow. A wrong
// checksum of a commit ends the journal there, one of a descriptor makes all of
// it unusable: only a commit is written last.
func (r *recovery) commit(b []byte) (more bool, err error) {
	time := be.Uint64(b[0x30:])
	stale := time < r.lastTime
	switch {
	case (r.suspect || !r.commitIsValid(b)) && stale:
		return false, nil
	case r.suspect:
		return false, damagedJournal(-1, "wrong checksum in transaction %d", r.sequence)
	case !r.commitIsValid(b):
		// Where commits do not wait for the blocks before them, the last
		// one may be torn; elsewhere it must not be.
		if !r.j.incompat.has(journalAsyncCommit) {
			r.damage = damagedJournal(-1, "wrong checksum of transaction %d", r.sequence)
		}
		return false, nil
	}
	for _, t := range r.pending {
		r.blocks[t.block] = t
	}
	if err := r.revoke(); err != nil {
		return false, err
	}
	r.pending, r.revokes, r.sum, r.lastTime = r.pending[:0], r.revokes[:0], ^uint32(0), time
	r.sequence++
	return true, nil
}

// revoke forgets the blocks that the transaction revokes: what it or an
// earlier one holds for them must not be written any more, since they were
// freed and may hold something else by now.
func (r *recovery) revoke() error {
	for _, at := range r.revokes {
		b, _, err := r.j.block(at)
		if err != nil {
			return err
		}
		list, err := r.j.revoked(b)
		if err != nil {
			return err
		}
		if r.revoked += len(list); r.revoked > maxRevoked {
			return damagedJournal(-1, "more than %d revocations", maxRevoked)
		}
		for _, block := range list {
			delete(r.blocks, block)
		}
	}
	return nil
}

// commitIsValid verifies the checksum of a commit: of its block in versions 2
// and 3, of all that the transaction holds in version 1.
func (r *recovery) commitIsValid(b []byte) bool {
	const (
		kind, size, field = 0x0C, 0x0D, 0x10
		kindCRC32         = 1
		commitHeader      = 0x3C
	)
	stored := be.Uint32(b[field:])
	if r.j.hasTailChecksums() {
		if stored == crc32cWithout(r.j.seed, b, field, 4) {
			return true
		}
		// A commit that was written in part counts if its fields are right
		// and the rest was zeroes (jbd2_commit_block_csum_verify_partial).
		partial := make([]byte, len(b))
		copy(partial, b[:commitHeader])
		return stored == crc32cWithout(r.j.seed, partial, field, 4)
	}
	if !r.j.compat.has(journalChecksum) {
		return true
	}
	none := b[kind] == 0 && b[size] == 0 && stored == 0
	return none || b[kind] == kindCRC32 && b[size] == 4 && stored == r.sum
}

// patches turns what was found into patches. Contents with a wrong checksum
// are left out: the block stays as it is on the volume.
func (r *recovery) patches() ([]patch, error) {
	list := make([]patch, 0, len(r.blocks))
	for _, block := range slices.Sorted(maps.Keys(r.blocks)) {
		t := r.blocks[block]
		if t.block >= r.j.e.sb.blocks {
			r.leaveOut(-1, "contents for block %d of %d", t.block, r.j.e.sb.blocks)
			continue
		}
		b, from, err := r.j.block(t.at)
		if err != nil {
			return nil, err
		}
		if !r.isIntact(t, b) {
			r.leaveOut(int64(from), "wrong checksum of the contents for block %d", t.block)
			continue
		}
		list = append(list, patch{block: t.block, from: from, escaped: t.escaped})
	}
	return list, nil
}

func (r *recovery) leaveOut(block int64, format string, args ...any) {
	if r.damage == nil {
		r.damage = damagedJournal(block, format, args...)
	}
}

// isIntact verifies the checksum in a block's tag.
func (r *recovery) isIntact(t tagged, b []byte) bool {
	if !r.j.hasTailChecksums() {
		return true
	}
	var sequence [4]byte
	be.PutUint32(sequence[:], t.sequence)
	sum := crc32c(crc32c(r.j.seed, sequence[:]), b)
	if !r.j.incompat.has(journalChecksumV3) {
		sum &= 0xFFFF
	}
	return sum == t.checksum
}
