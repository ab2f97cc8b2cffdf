package fstree_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

func TestStringsStayAsTheyWere(t *testing.T) {
	var s fstree.Strings
	var got, want []string
	for i := range 3000 {
		name := fmt.Sprint(i, strings.Repeat("x", i%700))
		b := []byte(name)
		dir := []byte(fmt.Sprint(i % 7))
		got = append(got, s.String(b), s.Join(dir, name), s.Join(nil, name))
		want = append(want, name, fmt.Sprintf("%d/%s", i%7, name), name)
		clear(b)
		clear(dir)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("string %d is %q, want %q", i, got[i], want[i])
		}
	}
}

func TestStringsTakeFewAllocations(t *testing.T) {
	dir, name := []byte("a/directory"), []byte("a name of the usual length")
	if n := testing.AllocsPerRun(100, func() {
		var s fstree.Strings
		for range 200 {
			s.Join(dir, s.String(name))
		}
	}); n > 10 {
		t.Errorf("%v allocations for 400 strings", n)
	}
}
