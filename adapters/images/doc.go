// Package images opens disk images of other formats than QED as a
// [qedfile.Disk], recognised by their first bytes.
//
//	file            Open, NewReader          what the package gives
//	disk.qcow2  ->  by magic         ->  a qedfile.Disk: ReadAt, Size, Extents
//	                   |
//	                   +-> the files it names (backing, extents, data), by Options alone
//
// Each format has a package of its own beneath this one; package layer holds
// what they share. QED and raw come from package qedfile.
//
//	d, err := images.Open("disk.qcow2", &images.Options{Files: images.Siblings("disk.qcow2")})
//	if err != nil {
//		return err
//	}
//	defer d.Close()
//	_, err = d.ReadAt(p, 0)
//
// # New images
//
// [Write] writes a disk as a new image, with the options that qemu-img has after
// -o: an empty disk makes an empty image. Existing images are not changed.
//
//	err := images.Write(ctx, "vmdk", file, d, &images.WriteOptions{
//		Values: map[string]string{"adapter_type": "lsilogic"},
//	})
//
// # Backing chains
//
// A chain may mix all formats: [Siblings] and [Anywhere] are the policies of
// package qedfile, with the formats of this package added. Their Backing
// method puts any of these formats beneath a QED image:
//
//	img, err := qedfile.Open("top.qed", &qedfile.Options{Backing: images.Siblings("top.qed").Backing})
//
// # Safety
//
// Images are untrusted input. By default no file is opened because an image
// names it. Nothing is allocated by what a header claims, and a damaged part
// of an image is an error for that part alone. A file is never taken for a raw
// disk by guess: that its bytes are a disk's must be said, by [Options.Format]
// or by the image that has it as its backing file.
//
// # Concurrency
//
// Disks may be read by any number of goroutines at once. They are opened for
// reading only.
package images
