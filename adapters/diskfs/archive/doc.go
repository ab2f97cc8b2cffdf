// Package archive writes the files of an image as a tar archive, as GNU tar
// with --format=posix --sparse --xattrs writes those of a mounted filesystem.
//
//	            ┌ load ┐   the same, in order
//	Walk ──job──┼ load ┼──────job────── write ── io.Writer
//	            └ load ┘
//
// One goroutine walks the tree, a few read inodes' attributes and contents
// ahead, and one writes the archive in the order of the walk. A job is a batch
// of small files, which are read into one buffer as they stand in the archive
// and written from there, or a chunk of a large one. What is read ahead is
// bounded by a fixed number of buffers.
//
// Members carry numeric owners, times to the nanosecond, devices, hard links,
// extended attributes (SCHILY.xattr), access control lists (SCHILY.acl, as
// text) and holes (GNU.sparse, version 1.0). Names are the stored bytes. The
// formats are those of POSIX pax and of the GNU tar manual, "Sparse Formats";
// archive/tar reads them, and writes no holes, which is why the headers are
// made here.
//
// What is not in the archive is told to [Options].Problem, or is part of the
// error: nil means that all of it is there. A socket never is ([ErrSocket]).
package archive
