// Package hfsplus reads the filesystem of Mac OS X: HFS Plus and HFSX, alone or wrapped
// in an old HFS volume (Apple's Technical Note TN1150).
//
//	volume header at byte 1024, its copy 1024 bytes before the end
//	    -> extents file, catalog file, attributes file: B-trees
//	catalog:    (folder, name) -> folder, or file with its two forks
//	            (id, "")       -> thread: the folder and the name of an id
//	extents:    (file, fork, block) -> eight further extents
//	attributes: (file, name) -> value
//	fork: a size and eight extents; more are in the extents file
//
// Use:
//
//	fsys, err := hfsplus.Open(r, size)
//	if err != nil {
//		return err
//	}
//	b, err := fs.ReadFile(fsys, "Users/me/Library/Preferences/x.plist")
//
// # What is shown
//
// What Linux shows of a read-only mount: catalog numbers as inode numbers, modes, owners,
// links, device numbers, targets of symbolic links, times, bytes, and attributes in the
// name space "osx.". Names are composed, as Linux composes them ("é" is one character), a
// slash in a name is a colon, and the folder that holds the files with several names is
// hidden. Names match without regard to case, but for a volume of HFSX that is
// case-sensitive.
//
// Different from Linux on purpose: characters outside the basic plane are shown and not
// question marks; folders with several names, which Time Machine makes, are folders and
// not empty files; compressed files have their contents (zlib and LZVN, and those stored
// as they are; LZFSE is refused by name) and not none; long attributes are read. The time
// of birth and the resource fork, by [fstree.Streams] as "rsrc", are shown besides.
//
// The journal is not replayed: a note says so where it holds something. The copy of the
// volume header is used where the first is damaged, with a note.
//
// # Concurrency and damage
//
// An FS and its files are safe for concurrent use. Nothing is written. Every loop is
// bounded by what the volume can hold; a damaged node costs its records.
//
// # How it is tested
//
// Against the tree that Linux 6.1 shows of volumes that it filled itself. They are laid out
// by a test, as no tool at hand makes them. Linux writes no compressed files, resource forks
// or folders with several names: those are put in by hand, which shows that the reader
// follows TN1150 and the headers of Apple's sources as its author understands them.
package hfsplus
