package fstreetest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FillDOS is a [Config.Fill] for FAT and exFAT: a tree of what they can store,
// and no links, devices, owners or attributes.
func FillDOS(tb testing.TB, dir string) {
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	write := func(name string, n int) {
		tb.Helper()
		name = filepath.Join(dir, name)
		must(os.MkdirAll(filepath.Dir(name), 0o755))
		must(os.WriteFile(name, bytes.Repeat([]byte(fmt.Sprintf("%-31.31s\n", filepath.Base(name))), n/32+1)[:n], 0o644))
	}
	for _, n := range []int{0, 1, 511, 512, 513, 4095, 4096, 4097, 65535, 65536, 65537, 200000} {
		write(fmt.Sprintf("sizes/%d.bin", n), n)
	}
	for _, name := range []string{
		"lower.txt", "UPPER.TXT", "lower.EXT", "UPPER.ext", "Mixed.Txt", "noext", "a.b.c", ".hidden", "trailing space .x",
		"ünïcode", "ÄÖÜ.TXT", "日本語.txt", "emoji 😀🎉", "a+b,c;d=e[f]", "thirteen.char", "exactly-26-characters-long",
		"e\u0301 decomposed", "ΓΣΩ", "é", "longer than eight.text", "~tilde~1", "PROGRA~1", "program files",
	} {
		write("names/"+name, len(name))
	}
	long := bytes.Repeat([]byte("0123456789"), 26)
	write("names/"+string(long[:255]), 5)
	for i := range 300 {
		write(fmt.Sprintf("many/entry %06d of a directory with many", i), max(i%50-45, 0))
	}
	for i := 0; i < 300; i += 3 {
		must(os.Remove(filepath.Join(dir, fmt.Sprintf("many/entry %06d of a directory with many", i))))
	}
	deep := "deep"
	for i := range 20 {
		deep += fmt.Sprintf("/level %d", i)
	}
	write(deep+"/file", 10)
	must(os.MkdirAll(filepath.Join(dir, "empty directory"), 0o755))
	alternate(tb, filepath.Join(dir, "fragmented"), filepath.Join(dir, "fragmented too"))
	must(os.Truncate(filepath.Join(dir, "sizes/511.bin"), 30000)) // zeroes after the data
	must(os.Chmod(filepath.Join(dir, "names/noext"), 0o444))
	for i, t := range []time.Time{
		time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1999, 12, 31, 23, 59, 58, 0, time.UTC),
		time.Date(2000, 2, 29, 12, 34, 56, 0, time.UTC), time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC),
		time.Date(2100, 2, 28, 0, 0, 0, 0, time.UTC), time.Date(2100, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2107, 12, 31, 23, 59, 58, 0, time.UTC),
	} {
		name := fmt.Sprintf("times/%d", i)
		write(name, i)
		must(os.Chtimes(filepath.Join(dir, name), t, t))
	}
}

// alternate writes two files in turns, so that their clusters alternate.
func alternate(tb testing.TB, names ...string) {
	tb.Helper()
	var files []*os.File
	for _, name := range names {
		f, err := os.Create(name)
		if err != nil {
			tb.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	for i := range 12 {
		for _, f := range files {
			if _, err := f.Write(bytes.Repeat([]byte{byte(i)}, 4096)); err != nil {
				tb.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				tb.Fatal(err)
			}
		}
	}
}
