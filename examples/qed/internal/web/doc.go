// Package web shows an image to a browser and to WebDAV clients.
//
//	/                    systems and volumes
//	/files/p2/etc        a directory as a page, or the bytes of a file; WebDAV
//	/details/p2/etc      what the filesystem says of a file, and a preview
//	/search, /space      names below a directory, and what takes the space there
//	/tar, /zip           a directory as an archive
//	/os/p2               what a system is; the same addresses below it
//	                     (/os/p2/files/etc) are of the system's root
//
// Neither the image nor the pages that the browser has open besides are
// trusted. Nothing of an image is interpreted by the page: files are downloads,
// plain text in a sandbox, or pictures of a few kinds, and no type is guessed
// by the browser. A PDF is shown by the browser's own viewer, in a frame that
// may load nothing. Whatever is printed from an image passes one function. A
// request must come under an address or a name that the server was given, so
// that no foreign name can be pointed at it (DNS rebinding). The one script of
// the pages, which moves between rows by keys, is allowed by its hash, so that
// no other can run; everything works without it.
package web
