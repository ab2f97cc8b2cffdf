//go:build !((linux && !386 && !arm && !mips && !mipsle) || darwin)

package mounted

import "context"

// Mount returns ErrNoFUSE. (Linux on 32 bits has FUSE, but go-fuse 2.12 does not
// compile there.)
func Mount(context.Context, string, *Options) error { return ErrNoFUSE }
