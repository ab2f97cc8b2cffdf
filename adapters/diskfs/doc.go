// Package qeddiskfs is the plug between disk images and go-diskfs, in both
// directions.
//
//	go-diskfs: tables, writing, its own filesystems     programs that use go-diskfs
//	        │                                                   │
//	  [NewStorage]                                        [GetFilesystem]
//	        │                                                   │
//	qedfile.Disk: an image, a raw file            imagefs: the readers of this module
//
// Use:
//
//	d, err := diskfs.OpenBackend(qeddiskfs.NewStorage(img, nil))
//	if err != nil {
//		return err
//	}
//	fsys, err := qeddiskfs.GetFilesystem(d, 2)
//
// [NewStorage] goes beneath go-diskfs: its functions work on a QED image as on
// a raw file, writing included. Only growing from an empty file is refused: an
// image has the size that it was created with.
//
// [GetFilesystem] goes beside go-diskfs: it has the signature of go-diskfs's
// method and is answered by the readers of this module, which show what the
// kernel would.
//
// [Open] opens a disk for both: an [imagefs.Disk] whose [Disk.GoDisk] is
// go-diskfs's. A program that wants files alone uses package imagefs, which
// compiles nothing of go-diskfs but its partition tables.
//
// # Concurrency and safety
//
// A Disk is safe for concurrent use. Nothing is written to an image, except by
// go-diskfs over a storage that was made writable.
package qeddiskfs
