// Package imagespec reads the names and descriptions of images that qemu's
// tools take in the place of a plain path, as far as they mean files of this
// host:
//
//	file:disk.qed
//	json:{"driver": "qed", "file": {"driver": "file", "filename": "disk.qed"}}
//	driver=qed,file.filename=disk.qed        with --image-opts
//
// An image may lie in the disk of another one: file.driver=qed.
package imagespec
