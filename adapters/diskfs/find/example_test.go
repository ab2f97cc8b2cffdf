package find_test

import (
	"context"
	"fmt"
	"log"
	"regexp"

	"github.com/qedfs/qedfs/adapters/diskfs/find"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

// The lines of configuration that name something.
func ExampleFiles() {
	disk, err := imagefs.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	yaml, err := find.CompilePattern("*.y?ml", false)
	if err != nil {
		log.Fatal(err)
	}
	opts := &find.Options{
		Test:    find.And(find.Type(0), find.Name(yaml)),
		Content: &find.Content{Expr: regexp.MustCompile("^name:")},
	}
	for m, err := range find.Files(context.Background(), disk.FS(), "p2", opts) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s:%s\n", m.Path, m.Line)
	}
	// Output:
	// p2/etc/app/config.yaml:4:name: example
}

// Patterns as in a shell.
func ExampleExpand() {
	disk, err := imagefs.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()

	for name, err := range find.Expand(context.Background(), disk.FS(), "p*/**/h*") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(name)
	}
	// Output:
	// p2/etc/hello
	// p2/etc/hostname
	// p2/home
	// p2/home/user/hostname
	// p2/usr/bin/hello
}

// A pattern is matched against a whole name.
func ExamplePattern() {
	p, err := find.CompilePattern("[[:alpha:]]?.*", false)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Match("a1.txt"), p.Match("a12.txt"), p.Match("1a.txt"))
	// Output:
	// true false false
}

// Tests are joined as find(1) joins them.
func ExampleTest() {
	large := find.And(find.Type(0), find.Size(1<<20, find.MoreThan(10)))
	odd := find.Or(large, find.Perm(find.PermAny, 0o6000))
	_ = find.Options{Test: odd}
	// Output:
}

// The questions of find: how long, how old, whose.
func ExampleFile() {
	disk, err := imagefs.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	var small find.Range = find.LessThan(10)
	var how find.Permissions = find.PermAll
	test := find.And(find.Type(0), find.Size(1, small), find.Perm(how, 0o444))
	for m, err := range find.Files(context.Background(), disk.FS(), "p2/etc", &find.Options{Test: test}) {
		if err != nil {
			log.Fatal(err)
		}
		var f *find.File = m.File
		st, err := f.Stat()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(f.Name(), f.Depth, st.Size)
	}
	// Output:
	// hostname 1 8
}
