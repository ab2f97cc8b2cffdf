// Package backend holds the bytes of disk images: in files, in memory, on web
// servers.
//
// A [Reader] has bytes at offsets and a length. A [Storage] can be written
// too. A [DataFinder] knows its holes, a [HolePuncher] makes some. Everything
// above, from the QED format to the file trees, is written against these
// interfaces, so that an image can lie wherever somebody implements one.
//
//	kind      is             where the bytes are
//	File      Storage        a file or block device, with qemu's locks
//	Mapped    Reader         a local file, through a memory mapping
//	Memory    Storage        memory, sparse
//	HTTP      Reader         a web server that serves ranges
//	Cached    Reader         blocks of a slow Reader, kept
//	Section   Reader         a part of something else
//	Unsynced  Storage        beneath it; does not wait for the disk
//
// They stack, as a cache over a web server does:
//
//	+---------+   +--------+   +------+
//	| Section |-->| Cached |-->| HTTP |--> https://example.org/disk.qed
//	+---------+   +--------+   +------+
//
// [NextData] and [PunchHole] reach what is beneath through every one of them.
//
// # Use
//
//	f, err := backend.OpenFile("disk.qed", os.O_RDONLY, nil)
//	if errors.Is(err, backend.ErrLocked) {
//		// a running machine writes it
//	}
//	defer f.Close()
//	n, err := f.ReadAt(buf, 4096)
//
// # Concurrency
//
// Every kind is safe for concurrent use, reads and writes of disjoint ranges
// run side by side. No call leaves a goroutine behind, except that a Cached fetches
// ahead until it is closed.
//
// # Safety
//
// A file opened for reading cannot be written. A file that a virtual machine
// writes is not opened, nor can qemu write one that is open here. After Close
// every call fails with [io/fs.ErrClosed]. A negative offset, a range beyond
// the largest one, a server that lies and a file that is cut while it is
// mapped give errors.
//
// # Limits
//
// Pipes and other streams are no storage. Locks, holes and mappings exist
// where the operating system has them, and are left out elsewhere. HTTP is for
// resources that stay as they are while they are read.
//
// Package newfile makes files that appear whole or not at all. A kind of one's
// own passes the suite in package backendtest, which also has
// storages that fail, crash and count for tests.
package backend
