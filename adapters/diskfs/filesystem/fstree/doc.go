// Package fstree is what the readers of filesystems share: the face that a
// user sees, and the cache that a reader reads through.
//
//	           fs.FS, fs.File, fs.DirEntry, *Stat
//	┌─────────────────────────────────────────────────┐
//	│ FS: paths, symbolic links, open files, Walk     │
//	├─────────────────────────────────────────────────┤
//	│ Engine: ext4, xfs, fat, ...   ID -> Entry, Stat │
//	├─────────────────────────────────────────────────┤
//	│ Cache: pieces of the volume, in a byte budget   │
//	└─────────────────────────────────────────────────┘
//	           io.ReaderAt, size: the volume
//
// An [Engine] knows one format and nothing of paths. [New] makes a tree of
// it:
//
//	fsys := fstree.New(engine)
//	b, err := fs.ReadFile(fsys, "etc/os-release")
//	info, err := fs.Stat(fsys, "etc")
//	st := info.Sys().(*fstree.Stat)   // inode, owner, device, attributes
//	for e, err := range fsys.Walk(ctx, ".", nil) { ... }
//
// # Names and links
//
// A path is elements joined by slashes, "." for the root, as [fs.ValidPath]
// has it. A stored name that such a path cannot carry is shown in the form of
// [EscapeName], and found by it. [OutwardPath] is the path under which a file
// leaves the tree, into an archive or a directory of the host. Open, Stat, ReadDir, ReadFile, Sub and Walk's root follow
// symbolic links inside the volume, at most 40 in a path; Lstat and ReadLink
// do not follow the last element. An absolute link begins at the volume's
// root and ".." ends there: no link leads out of the volume.
//
// # Errors
//
// Every error is a [*fs.PathError]. A damaged structure gives a [DamageError]
// in it, for the file that it concerns: a directory with a damaged part lists
// the rest and says what is wrong, see [FS.ReadDir]. The type of a file is its
// inode's; a directory entry that states another one is damage.
//
// # Identity
//
// [Stat.FileID] and [WalkEntry.FileID] identify a file in all trees of the
// process: what has hard links, copies or caches files compares those.
//
// # Concurrency and limits
//
// Everything is safe for concurrent use and nothing writes. An open file
// shares one offset between its Read, Seek and WriteTo, under a lock; ReadAt
// takes none while it reads. A Walk works ahead on up to four goroutines, which
// end with it.
//
// The cache keeps to its budget. A tree remembers at most 16,384 looked-up
// names, and the names of at most four directories in which many lookups went
// on, 131,072 of each. ReadFile returns at most 1 GiB.
package fstree
