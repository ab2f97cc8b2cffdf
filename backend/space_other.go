//go:build !unix

package backend

import "io/fs"

func spaceOf(fi fs.FileInfo) (int64, error) { return 0, errNoSpaceTold(fi) }
