// Package vdi reads VDI images, VirtualBox's virtual disks, and writes new ones.
//
//	m, err := vdi.Open(file, nil)
//	if err != nil {
//		return err
//	}
//	defer m.Close()
//	n, err := m.ReadAt(p, off)
//
// # The format
//
// The disk is cut into blocks, of 1 MiB in most images. The map of blocks has
// the number of each in the file, in 4 bytes, little-endian:
//
//	+--------+---------------+---------+---------+---------+
//	| header | map of blocks | block 0 | block 1 | block 2 |
//	+--------+---------------+---------+---------+---------+
//	            |  |              ^                   ^
//	            +--|--------------+-------------------+
//
// 0xffffffff is a block that was never written, 0xfffffffe one of zeroes. In a
// fixed image all blocks are there from the beginning.
//
// # Parents
//
// A differencing image shows its parent where it has no block. It does not name
// the parent's file but its UUID, and the one of its contents: one that was
// changed since is refused. [Options.Parent] finds it; package images looks
// among the .vdi files beside the image.
//
// # Concurrency, safety, limits
//
// An [Image] is safe for concurrent use, and is only read. Nothing is allocated
// by what a header claims, and a damaged entry is an error for its block alone.
// Version 1.1 of the format is read, which VirtualBox has written since 2.0;
// encrypted images read as what is stored.
package vdi
