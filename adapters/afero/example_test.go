package qedafero_test

import (
	"fmt"
	"log"

	"github.com/spf13/afero"

	qedafero "github.com/qedfs/qedfs/adapters/afero"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

func ExampleNew() {
	disk, err := imagefs.Open("../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	// Changes go to memory, the image stays as it is.
	fsys := afero.NewCopyOnWriteFs(qedafero.New(disk.FS()), afero.NewMemMapFs())
	if err := afero.WriteFile(fsys, "/p2/etc/hostname", []byte("renamed\n"), 0o644); err != nil {
		log.Fatal(err)
	}
	b, err := afero.ReadFile(fsys, "/p2/etc/hostname")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(b))
	// Output: renamed
}
