package ext4

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// Lookup falls back on a search without the index, which would hide any
// mistake in it: so this asks the index alone.
func TestNamesAreFoundByTheKernelsIndex(t *testing.T) {
	const size = 64 << 20
	for _, algorithm := range []string{"legacy", "half_md4", "tea"} {
		for _, chars := range []string{"signed", "unsigned"} {
			t.Run(algorithm+" "+chars, func(t *testing.T) {
				flag := map[string]string{"signed": "1", "unsigned": "2"}[chars]
				r, _ := fstreetest.Build(t, fstreetest.Config{
					Size: size,
					Mkfs: []string{"mke2fs", "-q", "-F", "-t", "ext4", "-O", "large_dir", "-N", "20000", "-b", "1024"},
					Make: func(tb testing.TB, image, _ string) {
						oracle.Run(tb, "tune2fs", "-E", "hash_alg="+algorithm, image)
						oracle.Run(tb, "debugfs", "-w", "-R", "ssv flags "+flag, image)
					},
					Mount: "ext4",
					Fill:  fillIndexed,
				})
				e, err := open(r, size)
				if err != nil {
					t.Fatal(err)
				}
				checkIndex(t, e, "indexed")
			})
		}
	}
}

const indexedNames = 3000

// fillIndexed makes names of every length with bytes of both signs.
func fillIndexed(tb testing.TB, dir string) {
	tb.Helper()
	top := filepath.Join(dir, "indexed")
	if err := os.Mkdir(top, 0o755); err != nil {
		tb.Fatal(err)
	}
	for i := range indexedNames {
		name := fmt.Sprintf("%d\xe9é%s", i, strings.Repeat(string(rune('a'+i%400)), i%100))
		if err := os.WriteFile(filepath.Join(top, name), nil, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
}

func checkIndex(t *testing.T, e *engine, dir string) {
	t.Helper()
	entry, err := e.Lookup(e.Root(), dir)
	if err != nil {
		t.Fatal(err)
	}
	in, err := e.inode(entry.ID.Ino)
	if err != nil {
		t.Fatal(err)
	}
	if !in.has(flagIndex) {
		t.Fatal("the directory has no index")
	}
	n := 0
	for entry, err := range e.ReadDir(fstree.ID{Ino: uint64(in.num)}) {
		if err != nil {
			t.Fatal(err)
		}
		d, err := e.lookupHashed(in, []byte(entry.Name))
		if err != nil || uint64(d.ino) != entry.ID.Ino {
			t.Fatalf("%q: inode %d, %v; want %d", entry.Name, d.ino, err, entry.ID.Ino)
		}
		if _, err := e.lookupHashed(in, []byte(entry.Name+"x")); err != fs.ErrNotExist {
			t.Fatalf("%q: %v", entry.Name+"x", err)
		}
		n++
	}
	if n != indexedNames {
		t.Errorf("%d names", n)
	}
}
