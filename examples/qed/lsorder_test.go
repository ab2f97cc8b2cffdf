package main

import (
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

func TestListingsAreSortedAsLsSortsThem(t *testing.T) {
	file := func(name string, size int64, second int64) sortedFile {
		return sortedFile{path: name, stat: &imagefs.Stat{Size: size, Mtime: time.Unix(second, 0)}}
	}
	for want, order := range map[string]lsOrder{
		"cabd": {byTime: true},
		"dbac": {byTime: true, reverse: true},
		"bdac": {bySize: true},
		"cadb": {bySize: true, reverse: true},
		"dcba": {reverse: true},
		"abcd": {},
	} {
		list := []sortedFile{file("a", 5, 7), file("b", 9, 7), file("c", 1, 8), file("d", 9, 1)}
		order.sort(list)
		got := ""
		for _, f := range list {
			got += f.path
		}
		if got != want {
			t.Errorf("%+v: %s, want %s", order, got, want)
		}
	}
}
