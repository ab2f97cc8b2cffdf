//go:build !linux && !darwin

package mounted

import "context"

// Mount returns ErrNoFUSE.
func Mount(context.Context, string, *Options) error { return ErrNoFUSE }
