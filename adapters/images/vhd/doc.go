// Package vhd reads VHD images, the virtual disks of Virtual PC and Hyper-V
// that qemu calls vpc, and writes new ones.
//
//	m, err := vhd.Open(file, &vhd.Options{Backing: images.Siblings("disk.vhd").Backing})
//	if err != nil {
//		return err
//	}
//	defer m.Close()
//	n, err := m.ReadAt(p, off)
//
// # The format
//
// A fixed image is the disk byte for byte, and a footer of 512 bytes (511 before
// 2004). A dynamic one is cut into blocks, of 2 MiB in most, each after a bitmap
// of its sectors:
//
//	+-------------+--------+-------+-----------------+-----------------+--------+
//	| footer copy | header | table | bitmap | block  | bitmap | block  | footer |
//	+-------------+--------+-------+-----------------+-----------------+--------+
//	                         |  |    ^                 ^
//	                         +--|----+-----------------+   sectors, 4 bytes, big-endian
//
// An entry of 0xffffffff is a block that is not there. Footer and header have
// checksums; a damaged footer is replaced by its copy.
//
// The size of the disk is stored twice, in bytes and as a geometry of cylinders,
// heads and sectors. Virtual PC and qemu by default go by the geometry, all
// others by the bytes; see [ReadFooter].
//
// # Parents
//
// A differencing image shows its parent where a block is not there or its bitmap
// has no bit. It holds the parent's names, relative and absolute ones of
// Windows, and its UUID. The names are tried relative to the image; a file with
// another UUID is refused.
//
// # Concurrency, safety, limits
//
// An [Image] is safe for concurrent use, and is only read. No file is opened
// because an image names it, unless [Options] say how. Nothing is allocated by
// what a header claims, and a damaged entry is an error for its block alone.
// In a dynamic image the bitmaps are not looked at, as in qemu.
package vhd
