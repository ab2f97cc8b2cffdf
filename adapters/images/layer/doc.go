// Package layer is what readers of disk image formats share. A format says
// where one image keeps the parts of its disk; this package makes a disk of
// that: reads, the map, and the backing chain beneath it.
//
//	Format.Run(pos, limit)          Disk
//	"256 KiB of data at 0x50000" -> ReadAt, Extents, OwnExtents
//	"64 KiB of zeroes"              |
//	"not stored here"               +-> the backing file, any qedfile.Disk
//
// A reader of a format has a type that implements [Format] and embeds the
// [Disk] that [New] makes of it. Its tables are best read by a
// [qedfile.TableReader], which keeps them in a budget of memory.
//
// A Disk is as safe for concurrent use as its Format. Nothing here allocates
// by what an image claims.
package layer
