package machine

import (
	"archive/tar"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// Pattern is size bytes for a script to write: 16 bytes of each 4 KiB differ
// from those of all others, so that images stay small once they are compressed.
func Pattern(seed uint64, size int) []byte {
	rng := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, size)
	for i := 0; i < len(b); i += 4096 {
		binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
		binary.LittleEndian.PutUint64(b[i+2048:], rng.Uint64())
	}
	return b
}

// Files are the files of an archive that [Run] returned, by their paths.
func Files(archive io.Reader) (map[string][]byte, error) {
	files := make(map[string][]byte)
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeGNUSparse {
			continue
		}
		b := make([]byte, h.Size)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, fmt.Errorf("%s: %w", h.Name, err)
		}
		files[path.Clean(h.Name)] = b
	}
}

// Kept are the files of an archive that [Keep] has kept.
func Kept(name string) (map[string][]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := zstd.NewReader(f, zstd.WithDecoderMaxMemory(1<<30))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return Files(z)
}

// Members puts the numbered files of each directory of an archive in order: the
// parts of an array or a group, by the directory's name.
func Members(files map[string][]byte) map[string][][]byte {
	found := make(map[string][][]byte)
	for name, b := range files {
		dir, file := path.Split(name)
		if dir = path.Clean(dir); file != "0" {
			continue
		}
		for i := 0; b != nil; i++ {
			found[dir] = append(found[dir], b)
			b = files[fmt.Sprintf("%s/%d", dir, i+1)]
		}
	}
	return found
}

// Keep replaces a committed archive by a new one, where QEDFS_UPDATE_TESTDATA
// asks for it and the test has passed.
func Keep(t *testing.T, archive *os.File, name string) {
	t.Helper()
	if os.Getenv("QEDFS_UPDATE_TESTDATA") == "1" && !t.Failed() {
		oracle.Run(t, "zstd", "-19", "--long=27", "-q", "-f", archive.Name(), "-o", name)
	}
}

// Difference is where two files first differ, -1 if the one is the begin of the
// other.
func Difference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}
