// Package manifest lists the files of an image with their checksums, in the forms
// that other programs read.
//
//	                     ┌ SumLine       sha256sum -c, cksum -c
//	walk ── contents ── Entry ┼ MtreeLine     mtree, bsdtar
//	        on all processors └ BodyLine      mactime, as fls -m prints it
//
// A list of checksums that sha256sum can check where the volume is mounted:
//
//	opts := &manifest.Options{Hash: sha256.New}
//	for e, err := range manifest.Files(ctx, tree, "p2", opts) {
//		...
//		if e.Sum != nil {
//			fmt.Println(manifest.SumLine(e.Path, e.Sum))
//		}
//	}
//
// Entries come in the order of a walk. What cannot be read is an error in its
// place, and its line is missing then: a list without errors is complete.
//
// Names are the stored bytes, as in archives; each of the formats has its own
// escapes for what it cannot hold otherwise.
//
// Files may be called by many goroutines at once; its goroutines end with it, and
// memory does not grow with the number or the size of files.
package manifest
