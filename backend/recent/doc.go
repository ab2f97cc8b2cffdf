// Package recent keeps what is costly to make, such as a block that must be
// decompressed, while it is used.
//
// A [Cache] has a budget. What was not used for longest goes when there is no
// room; what is larger than the whole budget is kept until the next one comes.
//
//	Get(key) -- there --------------------------> value
//	   |                                            ^
//	   +------ not there --> load() -- value -------+   others who want the
//	                           |                    |   same key wait for it
//	                           +---- error ---------+   and nothing is kept
//
// # Use
//
//	c := recent.New[int64, []byte](16 << 20)
//	block, err := c.Get(at, blockSize, func() ([]byte, error) {
//		return unpack(at)
//	})
//
// # Concurrency
//
// A Cache is safe for concurrent use. Goroutines that miss the same key make
// its value once; those of different keys are made at the same time. If load panics, the
// panic goes on in the goroutine that called it, and those that waited get
// [ErrPanicked].
//
// # Limits
//
// The caller says what a value costs, in bytes, before it is made, and must not
// take that from a claim that it has not checked. Values that somebody still
// holds are not counted once they are dropped.
package recent
