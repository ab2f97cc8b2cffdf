package layer

import "crypto/rand"

// WriteOptions are what the writers of all formats take. The zero value is the
// default.
type WriteOptions struct {
	// Workers is how many parts of the disk are read and written at once; 0
	// means one for each processor, 2 to 4.
	Workers int
	// Progress is called with the bytes of the disk that are done, and their
	// number.
	Progress func(done, total int64)
}

// NewUUID returns a new random UUID (RFC 9562, version 4), with the version in
// the place that it has where the third field is stored with its lowest byte
// first, as Microsoft's and VirtualBox's formats have it.
func NewUUID() [16]byte {
	var id [16]byte
	rand.Read(id[:]) // never fails
	id[7] = id[7]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}
