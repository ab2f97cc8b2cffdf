package ntfs_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ntfs"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// wofSizes are lengths of files around those of chunks.
var wofSizes = []int{1, 4095, 4097, 9000, 32769}

// wofText is the contents of a file: what packs well with what does not.
func wofText(n int) []byte {
	rng := rand.New(rand.NewPCG(3, uint64(n)))
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, "line %d of the text, ", rng.IntN(9))
		if rng.IntN(60) == 0 {
			for range rng.IntN(300) {
				b = append(b, byte(rng.Uint32()))
			}
		}
	}
	return b[:n]
}

// wofVolume makes a volume with files as "compact /exe" leaves them: a sparse file
// of no clusters, a stream with what wimlib compresses, and a reparse point.
func wofVolume(t *testing.T) []byte {
	t.Helper()
	oracle.Root(t)
	image, mnt := filepath.Join(t.TempDir(), "image"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 4<<20); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, oracle.Tool(t, "mkntfs"), "-q", "-F", "-Q", image)
	oracle.Run(t, oracle.Tool(t, "ntfs-3g"), image, mnt, "-o", "streams_interface=windows")
	for number, algorithm := range []string{"xpress 4096", "lzx 32768", "xpress 8192", "xpress 16384"} {
		for _, n := range wofSizes {
			name := filepath.Join(mnt, fmt.Sprintf("%d-%d", number, n))
			cmd := exec.Command(oracle.Tool(t, "python3"), append([]string{"internal/wof/testdata/compress.py"}, strings.Fields(algorithm)...)...)
			cmd.Stdin = bytes.NewReader(wofText(n))
			packed := []byte(oracle.Output(t, cmd))
			for file, b := range map[string][]byte{name: nil, name + ":WofCompressedData": packed} {
				if err := os.WriteFile(file, b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Truncate(name, int64(n)); err != nil {
				t.Fatal(err)
			}
			point := []byte{0x17, 0, 0, 0x80, 16, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, byte(number), 0, 0, 0}
			oracle.Run(t, "setfattr", "-h", "-n", "system.ntfs_reparse_data", "-v", "0x"+hex.EncodeToString(point), name)
		}
	}
	oracle.Run(t, "umount", mnt)
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFilesCompressedByWOFAreRead(t *testing.T) {
	checkWOF(t, wofVolume(t))
}

func TestFilesCompressedByWOFOnACommittedVolumeAreRead(t *testing.T) {
	const name = "testdata/wof.img.gz"
	if os.Getenv("QEDFS_UPDATE") != "" {
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		_, err := w.Write(wofVolume(t))
		if err := errors.Join(err, w.Close(), os.WriteFile(name, b.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	checkWOF(t, wofCommitted(t, name))
}

func wofCommitted(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func checkWOF(t *testing.T, image []byte) {
	t.Helper()
	fsys, err := ntfs.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	rng := oracle.Seed(t)
	for number := range 4 {
		for _, n := range wofSizes {
			name, want := fmt.Sprintf("%d-%d", number, n), wofText(n)
			b, err := fs.ReadFile(fsys, name)
			if err != nil || !bytes.Equal(b, want) {
				t.Fatalf("%s: %d bytes, %v", name, len(b), err)
			}
			f, err := fsys.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			for range 20 {
				off := rng.IntN(n)
				p := make([]byte, 1+rng.IntN(n))
				got, err := f.(fstree.File).ReadAt(p, int64(off))
				if k := min(len(p), n-off); got != k || (err != nil) != (k < len(p)) || !bytes.Equal(p[:k], want[off:off+k]) {
					t.Fatalf("%s: %d of %d bytes at %d: %v", name, got, len(p), off, err)
				}
			}
			for e, err := range f.(fstree.File).Extents(0, int64(n)) {
				if err != nil || e != (fstree.Extent{Length: int64(n), Offset: -1}) {
					t.Errorf("%s: %+v, %v", name, e, err)
				}
			}
			info, err := f.Stat()
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			st := info.Sys().(*fstree.Stat)
			if st.Size != int64(n) || !st.Mode.IsRegular() || n > 9000 && st.Blocks == 0 || st.Blocks*512 > int64(n)+8192 {
				t.Errorf("%s: %d bytes in %d blocks, %v", name, st.Size, st.Blocks, st.Mode)
			}
			if xattrs, err := st.Xattrs(); err != nil || len(xattrs) > 0 {
				t.Errorf("%s: attributes %v, %v", name, xattrs, err)
			}
		}
	}
	fstreetest.ReadAll(t, fsys, int64(len(image)))
}

// Every byte of the tables, the chunks and the reparse points is changed in turn:
// the result is an error, or a file of the same length.
func TestDamageToFilesCompressedByWOF(t *testing.T) {
	image := wofCommitted(t, "testdata/wof.img.gz")
	rng := oracle.Seed(t)
	for range 1500 {
		at := rng.IntN(len(image))
		if image[at] == 0 && rng.IntN(50) > 0 {
			continue
		}
		b := bytes.Clone(image)
		b[at] ^= 1 << rng.IntN(8)
		fsys, err := ntfs.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			continue
		}
		for number := range 4 {
			for _, n := range wofSizes[3:] {
				got, err := fs.ReadFile(fsys, fmt.Sprintf("%d-%d", number, n))
				if err == nil && len(got) > len(b) {
					t.Fatalf("byte %d: %d-%d has %d bytes", at, number, n, len(got))
				}
			}
		}
	}
}
