// Package inflate decompresses raw deflate streams (RFC 1951) that lie in
// memory into memory of a known length, as the clusters of disk images are. Not
// having to stop and go on anywhere makes it faster than a reader.
package inflate
