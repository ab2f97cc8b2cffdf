package newfile_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/qedfs/qedfs/backend/newfile"
)

func ExampleCreate() {
	dir, err := os.MkdirTemp("", "newfile")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "disk.raw")

	f, err := newfile.Create(name, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Storage().WriteAt([]byte("content"), 0); err != nil {
		log.Fatal(err)
	}
	_, err = os.Stat(name)
	fmt.Println("there before Commit:", err == nil)

	if err := f.Commit(); err != nil {
		log.Fatal(err)
	}
	content, err := os.ReadFile(name)
	fmt.Printf("%s, %v\n", content, err)
	// Output:
	// there before Commit: false
	// content, <nil>
}

func ExampleCommitAll() {
	dir, err := os.MkdirTemp("", "newfile")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	root, err := os.OpenRoot(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer root.Close()

	var files []*newfile.File
	for _, name := range []string{"a.txt", "b.txt"} {
		f, err := newfile.CreateIn(root, name, &newfile.Options{Exclusive: true})
		if err != nil {
			log.Fatal(err)
		}
		defer f.Close()
		if _, err := f.OSFile().WriteString("this is " + name); err != nil {
			log.Fatal(err)
		}
		files = append(files, f)
	}
	if err := newfile.CommitAll(files...); err != nil {
		log.Fatal(err)
	}
	content, err := root.ReadFile("b.txt")
	fmt.Printf("%s, %v\n", content, err)
	// Output: this is b.txt, <nil>
}
