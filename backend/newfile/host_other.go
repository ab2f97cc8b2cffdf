//go:build !unix

package newfile

import (
	"io/fs"
	"os"
)

// syncsDirectories: these systems keep names durable by themselves, or have no
// call for it.
const syncsDirectories = false

func keepOwner(*os.File, fs.FileInfo) {}
