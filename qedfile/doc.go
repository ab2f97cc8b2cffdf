// Package qedfile reads and writes QED disk images (QEMU Enhanced Disk): an
// image file is opened as the disk that it holds.
//
// # Use
//
//	img, err := qedfile.OpenChain("disk.qed", nil)
//	if err != nil {
//		return err
//	}
//	defer img.Close()
//	n, err := img.ReadAt(sector, 2048*512)
//
// [OpenChain] opens a file and the backing files beside it, [Open] a file and
// the backing files that its options allow. [NewReader] takes the image from any
// [io.ReaderAt], [New] from a [backend.Reader] or [backend.Storage], such as one
// on a web server. [Create] makes a new one. An [Image] is an
// [io.ReaderAt], [io.WriterAt] and [io.ReadSeeker] of the disk's bytes.
// [Image.Extents] tells where they lie, [Image.Check] whether the tables are
// right, and mends them. [Convert], [Compare], [Commit], [Rebase], [Compact]
// and [Measure] work on whole disks, among them a [Raw] one.
//
// # The format
//
// A file is a row of clusters of one size, 64 KiB unless chosen otherwise. All
// numbers are little-endian.
//
//	+--------+----------+----------+------+------+----------+------+
//	| header | L1 table | L2 table | data | data | L2 table | data |  in any order
//	+--------+----------+----------+------+------+----------+------+
//	              |          ^  |     ^      ^
//	              +----------+  +-----+------+   by offsets, 8 bytes each
//
// The header gives the sizes of clusters and tables, the size of the disk, the
// offset of the L1 table and the name of a backing file. An entry of the L1
// table is the offset of an L2 table, or 0; an entry of an L2 table is that of
// a cluster of the disk, or 0, which shows the backing file, or 1, which is
// zeroes. There are no counters of references and no list of free clusters: new
// clusters go to the end of the file. A bit in the header, NEED_CHECK, says
// that the tables may refer to what a crash lost.
//
// The specification is docs/interop/qed_spec.txt of qemu. Where qemu 7.2 departs
// from it, this package does not: tables of one cluster work, and so do
// geometries whose largest size does not fit into 64 bits; a write to a part of a
// zero cluster leaves zeroes around it, whatever the backing file holds; a
// request may be of any length; NEED_CHECK is on the disk before what it
// guards, and stays while an image is corrupt.
//
// # Backing files
//
// A backing file is named by the image, which may come from anybody. None is
// opened unless [Options.Backing] says how. [SiblingBacking] stays inside the
// image's directory; [AnyBacking] is for images that are trusted; a function of
// the caller's own can put any [Disk] beneath, in formats that this package
// does not know.
//
// # Writing and crashes
//
// A write that returned is seen by every later read; it is safe from a crash
// after [Image.Sync], or [Image.Close]. Changed tables are kept in memory until
// then, within the budget for tables. Whenever a crash comes, every sector of
// the disk has the bytes of the last Sync or later ones, and the image opens:
// it is either consistent or marked with NEED_CHECK, and then repaired when it
// is next opened for writing, as [Options.Dirty] says.
//
// After the storage failed once, every change fails with [ErrFailed] until
// the image is opened anew.
//
// # Concurrency
//
// Everything is safe for concurrent use. Reading takes no lock where the table
// is in memory, and allocates nothing. Writers wait for each other only where
// they need the same new cluster, and while tables are written. No goroutine
// outlives the call that began it.
//
// # Hostile images
//
// Nothing is allocated by what a header claims: tables are read in slices of 4
// to 64 KiB, kept within a budget ([Options.CacheBytes], 16 MiB). An entry that
// breaks a rule gives a [CorruptError] for the part of the disk that it maps,
// and the rest stays readable. A chain of backing files ends after 16 and cannot
// loop. An image that is opened for reading is never written.
//
// # Limits
//
// Disks have up to 2^63-2^30 bytes. Like the format, the package has no
// snapshots, no compression and no encryption. Files that another process
// writes are refused by [backend.File]'s locks, unless Options.ForceShare.
package qedfile
