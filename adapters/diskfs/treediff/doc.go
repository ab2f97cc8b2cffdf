// Package treediff finds the files that differ between two trees, such as two
// states of one disk.
//
//	a: p2/etc          b: p2/etc
//	├─ fstab     ───── ├─ fstab          differs in "size", "content"
//	├─ hostname  ───── │                 only in a
//	│            ───── └─ machine-id     only in b
//
// Both trees are walked side by side, in the order of names. Of files that both
// have, everything that the filesystem says is compared first (type, mode,
// owner, size, times, device, attributes, target of a link) and then contents,
// holes passed over:
//
//	a := treediff.Side{Tree: before.FS(), Root: "p2"}
//	b := treediff.Side{Tree: after.FS(), Root: "p2"}
//	for d, err := range treediff.Compare(ctx, a, b, nil) {
//		if err != nil {
//			log.Print(err) // one file could not be compared; the rest is
//			continue
//		}
//		fmt.Println(d.Path, d.Fields)
//	}
//
// # Concurrency and safety
//
// A comparison reads ahead on goroutines of its own, which end with the loop.
// Memory does not grow with the trees. What cannot be read is an error beside
// the differences, and never a file that is the same on both sides.
package treediff
