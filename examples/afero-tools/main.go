// Command afero-tools works on a disk image with the tools of afero, and
// changes it without touching it:
//
//	go run ./examples/afero-tools testdata/gpt.qed
package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/afero"

	qedafero "github.com/qedfs/qedfs/adapters/afero"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: afero-tools IMAGE")
		os.Exit(2)
	}
	if err := run(os.Stdout, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(w io.Writer, image string) error {
	disk, err := imagefs.Open(image, nil)
	if err != nil {
		return err
	}
	defer disk.Close()
	files := qedafero.New(disk.FS())

	// Walk: how much is in there?
	count, bytes := 0, int64(0)
	err = afero.Walk(files, "", func(_ string, info fs.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			count++
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d files, %d bytes\n", count, bytes)

	// Glob: which systems are installed?
	systems, err := afero.Glob(files, "*/etc/os-release")
	if err != nil {
		return err
	}
	for _, name := range systems {
		release, err := afero.ReadFile(files, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s:\n%s", name, release)
	}

	// CopyOnWriteFs: change a file in memory. The image is as it was.
	changed := afero.NewCopyOnWriteFs(files, afero.NewMemMapFs())
	for _, name := range systems {
		if err := afero.WriteFile(changed, name, []byte("ID=mine\n"), 0o644); err != nil {
			return err
		}
		release, err := afero.ReadFile(changed, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s, changed in memory:\n%s", name, release)
	}
	return nil
}
