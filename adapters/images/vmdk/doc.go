// Package vmdk reads VMDK images, VMware's virtual disks, and writes new ones.
//
//	m, err := vmdk.Open(file, &vmdk.Options{
//		Extent:  func(name string) (backend.Reader, error) { return files.Open(name, false) },
//		Backing: files.Backing,
//	})
//	if err != nil {
//		return err
//	}
//	defer m.Close()
//	n, err := m.ReadAt(p, off)
//
// where files is [images.Siblings] of the image's path. Package images, one
// level up, does this for all formats.
//
// # The format
//
// A disk is described by a descriptor, a text of lines such as
//
//	CID=fffffffe
//	parentCID=ffffffff
//	createType="monolithicSparse"
//	RW 4192256 SPARSE "disk.vmdk"
//
// which is a file of its own or lies inside the only extent. The extents that
// it names follow each other on the disk. A FLAT or VMFS extent is a part of the
// disk byte for byte. A SPARSE extent is stored in grains, of 64 KiB in most:
//
//	+--------+------------+-----------+--------+--------+-------+-------+
//	| header | descriptor | directory | table  | table  | grain | grain |  in any order
//	+--------+------------+-----------+--------+--------+-------+-------+
//	                         |  |        ^  |                 ^
//	                         +--|--------+  +-----------------+   sectors, 4 bytes each
//
// An entry of 0 shows the parent, or zeroes; 1 can be a grain of zeroes. In a
// stream-optimized extent grains are compressed and each part follows a
// marker; where the header has no directory a footer has. [Write] makes images
// of any [Subformat], with or without a parent. VMFSSPARSE (COWD)
// extents of ESX have other headers and tables of 4096 entries, SESPARSE ones
// entries of 64 bits.
//
// # Parents
//
// A snapshot is a disk over another, its parent, which it names and whose CID it
// holds. A parent with another CID was changed since, and is refused.
//
// # Concurrency, safety, limits
//
// An [Image] is safe for concurrent use, and is only read. No file is opened
// because an image names it, unless [Options] say how. Tables are read in slices
// within a budget, nothing is allocated by what a header claims, and a damaged
// part is an error for that part alone. Raw devices (VMFSRDM, FLAT on a device)
// and SESPARSE extents with a journal to be replayed are refused.
//
// [images.Siblings]: https://pkg.go.dev/github.com/qedfs/qedfs/adapters/images#Siblings
package vmdk
