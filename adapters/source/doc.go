// Package source opens disk images by their names, wherever they lie: a file's
// path, or a URL; and the image inside an archive or a compressed file.
//
//	name                          what it is
//	disk.qed                      a file
//	https://host/dir/disk.qed     on a web server that serves byte ranges
//	s3://bucket/dir/disk.qed      whatever Options.Schemes opens
//	disk.img.xz, vm.ova           the image inside, see package wrapped
//	disks.tar#vm/disk.qed         a member of an archive; URLs too
//
// Nothing is downloaded: what is read is asked for, and kept in memory and, if
// Options.CacheDir names a directory, between runs.
//
//	           Opener
//	             |
//	+------+  +--v-----+  +----------+  +------+
//	| disk |->| memory |->| CacheDir |->| HTTP |--> https://host/dir/disk.qed
//	+------+  +--------+  +----------+  +------+         (and what lies beside it)
//
// # Use
//
//	o, err := source.New(nil)
//	defer o.Close()
//	src, err := o.Open(ctx, "https://host/dir/disk.qed")
//	defer src.Close()
//	img, err := qedfile.New(src, &qedfile.Options{Backing: src.Files().Backing})
//
// # Concurrency
//
// An [Opener] and what it opens are safe for concurrent use. Several processes
// may share a CacheDir.
//
// # Safety
//
// A backing file comes from beside the image that names it, by the rules of
// [github.com/qedfs/qedfs/qedfile.Beside]: from the same server, at or below
// the directory of the image, and never from this machine. Headers and logins
// are sent to the host of the URL and to no other; redirects are followed to
// public addresses and never from https to http. An image that changes on the
// server while it is read gives [github.com/qedfs/qedfs/backend.ErrChanged]. A
// block in a CacheDir is used for the URL, version and size that it came with.
//
// # Limits
//
// Remote images can only be read. A server without byte ranges is refused.
// What has neither an entity tag nor a date is not kept in a CacheDir.
package source
