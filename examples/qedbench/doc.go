// Qedbench measures qedfs against the real tools: qemu-img, qemu-io, cp, the
// Sleuth Kit's fls, and tar and find on a kernel mount. It makes the images,
// runs each piece of work in turn with its opponent (A B A B ...), and prints
// the ratio of the medians beside the target.
//
// Run it in its own directory:
//
//	go run . table           every row of the table
//	go run . -run convert table
//	go run . plots           how the cost grows: an SVG and a CSV for each curve, in plots/
//
// It needs Linux, the tools, and root for the mounts; 12 GiB below -dir (25 for the plots). The
// page cache is warm: each side has run once before it is measured.
//
// It is a module of its own, for its plotting library.
package main
