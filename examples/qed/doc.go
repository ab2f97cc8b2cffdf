// Command qed works on disk images, those of QED (QEMU Enhanced Disk) above all,
// and on the files inside them, without QEMU, root or a mount.
//
//	qed info disk.qed                     what the image says of itself
//	qed check disk.qed                    is it sound
//	qed convert -O raw disk.qed disk.img  as a raw disk
//	qed ls disk.qed p1/etc                the files inside
//
// Names of subcommands, flags, JSON keys and exit codes follow qemu-img
// where it has the command. The format of an image is told by its first
// bytes; a raw disk works wherever an image does, with -f raw.
//
// # Safety
//
// Nothing is written to an image unless the subcommand is there to change
// it. Backing files are opened only beside the image, unless --backing says
// otherwise. An image that a running machine writes is refused, except for
// reading with -U. A new file appears under its final name only when it is
// complete: an interrupted command leaves a valid image or none.
package main
