//go:build !unix

package nbd

// isNoSpace reports whether the host has no room left for what was written,
// where that can be told.
func isNoSpace(error) bool { return false }
