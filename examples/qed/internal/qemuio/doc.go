// Package qemuio runs qemu-io's command language on a disk: the words with
// which scripts and test suites read, write and examine an image, one command
// a line.
//
//	write -P 0x11 64k 128k
//	read -P 0x11 64k 128k
//	map
//
// What a command prints on standard output is what qemu-io 7.2 prints, times
// aside, so that a script which looks at it need not know who answers.
// Differences are by intent:
//
//   - truncate can also shrink an image.
//   - aio_read and aio_write run at the same time, as there, but their
//     reports come in the order of the commands, when aio_flush, close or the
//     end waits for them.
//   - why a request failed goes to standard error in addition to the line
//     with the system's error text.
//   - what is about qemu itself (breakpoints, the vm state, cache modes,
//     signals) is absent or does nothing.
//
// A [Session] is used by one goroutine.
package qemuio
