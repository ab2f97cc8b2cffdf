// Package find finds files in the trees of images: by name, by what their inodes
// say, by contents.
//
//	 Test: And(Name(*.conf), Type(0), Size(...))   Content: a regexp
//	        │                                         │
//	walk ───┴──> files that pass ─────────────────────┴──> matches, in order
//	names        inodes of those only                on all processors
//
// The tests are those of find(1), the search in contents is grep's:
//
//	conf, err := find.CompilePattern("*.conf", false)
//	opts := &find.Options{
//		Test:    find.And(find.Name(conf), find.Type(0)),
//		Content: &find.Content{Expr: regexp.MustCompile("(?i)password")},
//	}
//	for m, err := range find.Files(ctx, disk.FS(), "p2/etc", opts) { ... }
//
// What can be told from names reads no inodes: And asks tests of names first.
// [Expand] is for patterns on a command line, 'p2/home/*/*.png'.
//
// # Errors
//
// What cannot be read is an error where the file would have been found, and the
// search goes on: a search without errors has looked at everything that its tests
// ask for. A file that a test of names excludes is not read, so damage to it is
// not reported.
//
// # Concurrency and limits
//
// Files may be called by many goroutines at once. What it works ahead is bounded,
// and its goroutines end with it. At most 16 MiB of a line are held on each
// processor.
package find
