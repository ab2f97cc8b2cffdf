// Package nbd serves disks over the network block device protocol (NBD), to
// the kernel's client, to qemu and to the tools of libnbd.
//
// # Use
//
//	l, err := net.Listen("unix", "/run/disk.socket")
//	if err != nil {
//		return err
//	}
//	return nbd.Serve(ctx, l, []nbd.Export{{Disk: img}}, nil)
//
// An [Export] is a [qedfile.Disk], or a part of one, under a name. It is
// read-only unless it says that it is Writable.
//
// # The protocol
//
// A connection begins with options, by which the client asks what there is,
// begins TLS and chooses an export. After that it sends requests, many at a
// time, and gets the replies in any order. All numbers are big-endian.
//
//	server  "NBDMAGIC" "IHAVEOPT" flags(2)
//	client  flags(4)
//	        options:   "IHAVEOPT" option(4) length(4) data
//	server             magic(8) option(4) type(4) length(4) data
//	client  requests:  magic(4) flags(2) command(2) cookie(8) offset(8) length(4) [data]
//	server  simple:    magic(4) error(4) cookie(8) [data]
//	        in chunks: magic(4) flags(2) type(2) cookie(8) length(4) [data]
//
// The specification is doc/proto.md of NetworkBlockDevice/nbd. The server
// speaks fixed newstyle: EXPORT_NAME, ABORT, LIST, STARTTLS, INFO, GO,
// STRUCTURED_REPLY, LIST_META_CONTEXT, SET_META_CONTEXT; READ (with DF), WRITE,
// FLUSH, TRIM, CACHE, WRITE_ZEROES (with FAST_ZERO) and BLOCK_STATUS, with FUA
// where something is written. The metadata contexts are base:allocation and
// qemu:allocation-depth. Holes are sent as such.
//
// # Writing and crashes
//
// What a client wrote is safe from a crash once a flush, or a request with
// FUA, that came after it is answered; the disk's Sync does it. All clients of
// an export see each other's writes, and a flush by one covers them all
// (CAN_MULTI_CONN). Serve syncs the disks once more in the end. Locks are the
// disk's: a file that is opened by package backend has qemu's.
//
// # Concurrency
//
// Up to 16 requests of a connection are worked on at a time, so the disk must
// be safe for concurrent use, as those of qedfile are. No goroutine outlives
// [Serve].
//
// # Hostile clients
//
// Nothing is allocated by what a client claims: the data of a write is kept as
// it arrives, in pieces, within a budget for all clients; reads are answered
// piece by piece. A write of more than 32 MiB ends the connection, and so does
// whatever breaks the protocol. Who stops in the middle of something, leaves
// replies unread, or does not come to choose an export is cut off after a
// time. The number of clients is bounded. TLS, where it is set, is demanded
// before anything is told of the exports.
//
// # Limits
//
// The size of an export is that of the disk when Serve begins. There are no
// extended headers, dirty bitmaps or resizing. Requests that the disk is
// working on cannot be broken off.
package nbd
