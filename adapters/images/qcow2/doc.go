// Package qcow2 reads QEMU's qcow2 images, versions 2 and 3, as a
// [qedfile.Disk], and writes new ones.
//
//	         header          L1 table        L2 table        data cluster
//	        +-----------+   +---------+     +-----------+    +---------+
//	file -> | QFI\xfb   |   | offset -+---> | offset ---+--> | 64 KiB  |
//	        | L1 table -+-> | 0       |     | zero      |    +---------+
//	        | backing   |   | offset  |     | packed ---+--> deflate or zstd
//	        +-----------+   +---------+     | 0         | -> the backing file, or zeroes
//	                                        +-----------+
//
// Everything is big-endian. A cluster is 512 bytes to 2 MiB. An L2 entry of 16
// bytes instead of 8 (extended_l2) has two bits for each of 32 subclusters:
// data, zeroes, or neither. Reference counts say which clusters are in use; a
// reader needs none of them. Sections of comments are those of QEMU's
// docs/interop/qcow2.txt.
//
//	f, err := backend.OpenFile("disk.qcow2", os.O_RDONLY, nil)
//	if err != nil {
//		return err
//	}
//	img, err := qcow2.Open(f, nil)
//	if err != nil {
//		return err
//	}
//	defer img.Close()
//	_, err = img.ReadAt(p, 0)
//
// It reads all that QEMU 7.2 writes except encrypted images: compressed
// clusters (zlib and zstd), subclusters, external data files, backing chains
// and internal snapshots. [Write] makes new images with any of these but
// snapshots, and [Image.Check] counts references as "qemu-img check" does.
// Existing images are not changed.
//
// # Concurrency
//
// Any number of goroutines may read an Image at once.
//
// # Safety
//
// Images are untrusted: no file is opened unless [Options] say how, memory is
// bounded by the options and by the largest cluster of 2 MiB, not by what an
// image claims, and a damaged table entry or cluster is an error for its own
// range only. What lies past the end of the file is damage, where QEMU reads
// zeroes: an image that was cut off does not look whole.
package qcow2
