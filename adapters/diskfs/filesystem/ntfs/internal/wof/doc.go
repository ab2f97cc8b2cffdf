// Package wof decompresses the chunks of files that Windows has compressed with
// "compact /exe" (CompactOS, Windows Overlay Filter).
//
//	WofCompressedData:  offset of chunk 1 | of chunk 2 | ... | chunk 0 | chunk 1 | ...
//
// A file is cut into chunks of one size, which are compressed alone, by
// XPRESS with Huffman codes or by LZX in the form that WIM files have. The
// offsets count from the first chunk on; chunk 0 has none. A chunk that does not
// get smaller is stored as it is.
//
// XPRESS is described in [MS-XCA], section 2.2, and LZX in the documentation of
// cabinet files and of wimlib. Input is not trusted: whatever it is, the result
// is dst filled or an error.
package wof
