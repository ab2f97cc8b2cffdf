// Package foreign puts filesystems that other libraries read behind the face
// of package fstree: ISO 9660 and squashfs of go-diskfs, EROFS of go-erofs,
// until readers of our own replace them.
package foreign
