package clusters

import "github.com/qedfs/qedfs/backend"

// maxPlaces bounds what is told of one chain.
const maxPlaces = 256

// Places is where the chain's bytes lie on the volume.
func (ch *Chain) Places() (ranges []backend.Range) {
	for off := int64(0); len(ranges) < maxPlaces; {
		pos, n := ch.at(off)
		if n == 0 {
			break
		}
		ranges = append(ranges, backend.Range{Off: pos, Len: n})
		off += n
	}
	return ranges
}
