// Package vhdx reads VHDX images, Hyper-V's virtual disks, and writes new ones.
//
//	m, err := vhdx.Open(file, &vhdx.Options{Backing: images.Siblings("disk.vhdx").Backing})
//	if err != nil {
//		return err
//	}
//	defer m.Close()
//	n, err := m.ReadAt(p, off)
//
// # The format
//
// A file begins with two headers, where the one with the higher number
// counts, and two tables of regions, which say where the rest is. The metadata
// describe the disk; the block allocation table has 8 bytes for each block, of 1
// to 256 MiB: where it is, and its state.
//
//	1 MiB                  +-----------------------+
//	+---------+---------+-----+----------+-------+-----+--------+--------+-------+
//	| headers | regions | log | metadata | table   |   | block  | bitmap | block |
//	+---------+---------+-----+----------+---------+---+--------+--------+-------+
//	                |              ^         ^
//	                +--------------+---------+
//
// In a differencing image a block can be there in part: the bitmap that follows
// in the table, after the blocks of 2^23 sectors, then says which sectors are.
//
// # The log
//
// Changes of the table and the metadata go to the log first. Of an image that
// was not closed properly, or that was copied while it was in use, [Open] finds
// the newest complete sequence of entries and reads the file as if it was
// replayed; the file itself is not changed. [Image.Dirty] tells.
//
// # Parents
//
// A differencing image shows its parent where it has no sector. It holds names
// of the parent, relative and absolute ones of Windows, which are tried relative
// to the image, and the identity of the parent's contents; a file with another
// one is refused.
//
// # Concurrency, safety, limits
//
// An [Image] is safe for concurrent use, and is only read. No file is opened
// because an image names it, unless [Options] say how. Headers and tables whose
// checksums are wrong are not used. Nothing is allocated by what a header claims,
// and a damaged entry is an error for its block alone.
package vhdx
