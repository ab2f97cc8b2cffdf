// Package qedafero shows the files inside disk images to programs that use
// afero.
//
//	afero's layers, afero.Walk, viper, http.FileServer, ...
//	     │
//	     ├── New(fs.FS)                  for reading: any tree, as that of a whole disk
//	     │
//	     └── NewWritable(FileSystem)     for writing: a FAT of go-diskfs
//
// Use:
//
//	disk, err := qeddiskfs.Open("debian.qed", nil)
//	if err != nil {
//		return err
//	}
//	fsys := qedafero.New(disk.FS())
//	release, err := afero.ReadFile(fsys, "/p2/etc/os-release")
//
// # Reading
//
// [New] takes names as afero's users write them: absolute or not, "/" or the
// host's separator between elements, ".." ending at the root. Symbolic links
// lead where they lead in the tree. Everything that would change the tree fails
// with a PathError of [syscall.EROFS]; to change files lay an
// [afero.CopyOnWriteFs] over it, the changes then live in its other layer.
//
// # Writing
//
// [NewWritable] makes changes through go-diskfs and the checks of package
// writable, which lists what go-diskfs writes wrongly and what becomes of that:
// some of it is mended, the rest refused. Above all, files can't be removed or
// be empty, and ext4 is not written at all.
//
// # Concurrency
//
// Both kinds of Fs may be used by several goroutines. An open file has one
// offset; ReadAt does not touch it.
package qedafero
