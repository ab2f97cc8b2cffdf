// Package wrapped opens the disk image inside an archive or a compressed file.
//
//	wrapper                               how the image inside is read
//	tar, OVA, members of zip as stored    in place: a view of the file
//	xz in blocks, seekable zstd           in place: a block is unpacked when it is asked for
//	gzip, bzip2, xz and zstd in one       unpacked once, into a sparse temporary file
//	deflated zip, sparse tar members      the same
//
// What a wrapper is, its first bytes say. Wrappers in each other, such as a
// .tar.gz, are opened too.
//
//	disk.ova:  | vm.ovf | vm-disk1.vmdk ............. | vm.mf |
//	                      ^ Image: Reader over these bytes
//
// # Use
//
//	m, err := wrapped.Open(ctx, r, "", nil) // "": the only image inside
//	if errors.Is(err, wrapped.ErrChoice) {
//		// the error names those that there are
//	}
//	defer m.Close()
//	d, err := images.NewReader(m, nil)
//
// xz makes blocks with -T and --block-size (xz -T0 has 24 MiB, which
// is slow to read at random; 1 MiB is good); the seekable format of zstd comes
// from its contrib tools, t2sz and zeekstd. A block of more than 64 MiB is not
// read in place.
//
// # Concurrency
//
// An [Image] is safe for concurrent use.
//
// # Safety
//
// The temporary file has no name once it is made, where the operating system
// allows that, so that a process that is killed leaves nothing behind. Limits
// of size and of ratio stop bombs ([ErrLimit]); a decoder gets at most 128 MiB
// for what it looks back. No index, table or name in a file makes anything be
// allocated beyond what the file holds, or leads out of the archive. Check sums
// are verified, but for members that are read in place where they are stored.
//
// # Limits
//
// Encrypted zip members, other filters than LZMA2 in xz, and 7z, rar, lz4 and
// lzip are not read. Of two members with one name the last counts.
package wrapped
