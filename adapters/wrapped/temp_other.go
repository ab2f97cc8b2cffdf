//go:build !unix

package wrapped

import "os"

// removeNow leaves the removal to whoever closes the file: an open one cannot
// be removed here.
func removeNow(name string) (later func() error, err error) {
	return func() error { return os.Remove(name) }, nil
}
