package wrapped_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/qedfs/qedfs/adapters/wrapped"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// content is like a disk: some data, long runs of zeroes.
func content(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for off := 0; off < n; off += 40_000 {
		for i := off; i < min(off+9000, n); i++ {
			b[i] = byte(r.IntN(16))
		}
	}
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func gzipped(t testing.TB, b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	must(t, errors.Join(err, w.Close()))
	return out.Bytes()
}

func xzipped(t testing.TB, b []byte, blockSize int64) []byte {
	var out bytes.Buffer
	w, err := xz.WriterConfig{BlockSize: blockSize, DictCap: 1 << 20}.NewWriter(&out)
	must(t, err)
	_, err = w.Write(b)
	must(t, errors.Join(err, w.Close()))
	return out.Bytes()
}

func zstandard(t testing.TB, b []byte) []byte {
	w, err := zstd.NewWriter(nil)
	must(t, err)
	defer w.Close()
	return w.EncodeAll(b, nil)
}

// seekableZstd is frames of n bytes and the table of them.
func seekableZstd(t testing.TB, b []byte, n int) []byte {
	var out, table []byte
	frames := uint32(0)
	for len(b) > 0 {
		part := b[:min(n, len(b))]
		frame := zstandard(t, part)
		out = append(out, frame...)
		table = binary.LittleEndian.AppendUint32(table, uint32(len(frame)))
		table = binary.LittleEndian.AppendUint32(table, uint32(len(part)))
		b = b[len(part):]
		frames++
	}
	out = binary.LittleEndian.AppendUint32(out, 0x184D2A5E)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(table)+9))
	out = append(out, table...)
	out = binary.LittleEndian.AppendUint32(out, frames)
	return binary.LittleEndian.AppendUint32(append(out, 0), 0x8F92EAB1)
}

type file struct {
	name string
	b    []byte
}

func tarOf(t testing.TB, files ...file) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		must(t, w.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.b)), Mode: 0o644, Format: tar.FormatGNU}))
		_, err := w.Write(f.b)
		must(t, err)
	}
	must(t, w.Close())
	return out.Bytes()
}

func zipOf(t testing.TB, method uint16, files ...file) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		m, err := w.CreateHeader(&zip.FileHeader{Name: f.name, Method: method})
		must(t, err)
		_, err = m.Write(f.b)
		must(t, err)
	}
	must(t, w.Close())
	return out.Bytes()
}

func open(t testing.TB, b []byte, member string, opts *wrapped.Options) (*wrapped.Image, error) {
	t.Helper()
	m, err := wrapped.Open(t.Context(), backend.NewMemory(b), member, opts)
	if err == nil {
		t.Cleanup(func() { m.Close() })
	}
	return m, err
}

func readAll(t testing.TB, r backend.Reader) []byte {
	t.Helper()
	size, err := r.Size()
	must(t, err)
	b, err := io.ReadAll(io.NewSectionReader(r, 0, size))
	must(t, err)
	return b
}

// emptyDir is a directory for temporary files that must hold none: neither
// while something is open, nor afterwards.
func emptyDir(t testing.TB) string {
	dir := t.TempDir()
	t.Cleanup(func() {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
	return dir
}

// ways are all the ways of wrapping an image.
var ways = map[string]func(t testing.TB, b []byte) []byte{
	"gzip":         gzipped,
	"xz":           func(t testing.TB, b []byte) []byte { return xzipped(t, b, 0) },
	"xz in blocks": func(t testing.TB, b []byte) []byte { return xzipped(t, b, 50_000) },
	"two xz streams": func(t testing.TB, b []byte) []byte {
		return append(append(xzipped(t, b[:len(b)/2], 30_000), 0, 0, 0, 0, 0, 0, 0, 0), xzipped(t, b[len(b)/2:], 0)...)
	},
	"zstd":          zstandard,
	"seekable zstd": func(t testing.TB, b []byte) []byte { return seekableZstd(t, b, 50_000) },
	"two gzip members": func(t testing.TB, b []byte) []byte {
		return append(gzipped(t, b[:len(b)/3]), gzipped(t, b[len(b)/3:])...)
	},
	"tar":          func(t testing.TB, b []byte) []byte { return tarOf(t, file{"disk.img", b}) },
	"stored zip":   func(t testing.TB, b []byte) []byte { return zipOf(t, zip.Store, file{"disk.img", b}) },
	"deflated zip": func(t testing.TB, b []byte) []byte { return zipOf(t, zip.Deflate, file{"disk.img", b}) },
	"gzip in tar":  func(t testing.TB, b []byte) []byte { return tarOf(t, file{"disk.img.gz", gzipped(t, b)}) },
	"tar in xz":    func(t testing.TB, b []byte) []byte { return xzipped(t, tarOf(t, file{"disk.img", b}), 60_000) },
	"an OVA": func(t testing.TB, b []byte) []byte {
		return tarOf(t, file{"vm.ovf", []byte("<xml>")}, file{"vm-disk1.vmdk", b}, file{"vm.mf", []byte("SHA1")})
	},
}

func TestImagesInsideAreReaders(t *testing.T) {
	for name, wrap := range ways {
		t.Run(name, func(t *testing.T) {
			backendtest.TestReader(t, func(t *testing.T, b []byte) backend.Reader {
				m, err := wrapped.Open(t.Context(), backend.NewMemory(wrap(t, b)), "", &wrapped.Options{TempDir: emptyDir(t)})
				if err != nil {
					t.Fatal(err)
				}
				return m
			})
		})
	}
}

// What is in place is not copied: opening reads little and unpacks nothing.
func TestOpeningInPlaceReadsLittle(t *testing.T) {
	b := content(3 << 20)
	for _, name := range []string{"tar", "stored zip", "xz in blocks", "seekable zstd", "an OVA"} {
		t.Run(name, func(t *testing.T) {
			counter := backendtest.NewCounter(backend.NewMemory(ways[name](t, b)))
			m, err := wrapped.Open(t.Context(), counter, "", &wrapped.Options{TempDir: "/nowhere"})
			must(t, err)
			defer m.Close()
			p := make([]byte, 100)
			_, err = m.ReadAt(p, 2_000_000)
			must(t, err)
			if !bytes.Equal(p, b[2_000_000:2_000_100]) {
				t.Error("the bytes differ")
			}
			if got := counter.Counts().ReadBytes; got > 80_000 {
				t.Errorf("%d bytes read", got)
			}
		})
	}
}

func TestBzip2(t *testing.T) {
	packed, err := base64.StdEncoding.DecodeString("QlpoOTFBWSZTWQoRgZ8AC7fRgAAQQAQGbIgAIABwQDTTQJqqDTR6m6kHVSD6pB3Ug3Ug1Ug8qQZUg9qQZVIMqQfi7kinChIBQjAz4A==")
	must(t, err)
	m, err := open(t, packed, "", &wrapped.Options{TempDir: emptyDir(t)})
	must(t, err)
	if got := readAll(t, m); string(got) != strings.Repeat("hello, disk\n", 1000) {
		t.Errorf("%d bytes", len(got))
	}
}

func TestWhatToolsPack(t *testing.T) {
	b := content(800_000)
	dir := t.TempDir()
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"disk.img.xz", []string{"xz", "-k", "-1", "disk.img"}},
		{"disk.img.xz", []string{"xz", "-k", "-1", "-f", "--block-size=100000", "--check=sha256", "disk.img"}},
		{"disk.img.xz", []string{"xz", "-k", "-1", "-f", "--check=none", "-T2", "disk.img"}},
		{"disk.img.xz", []string{"xz", "-k", "-9", "-f", "disk.img"}},
		{"disk.img.zst", []string{"zstd", "-q", "-k", "disk.img"}},
		{"disk.img.zst", []string{"zstd", "-q", "-k", "-f", "--ultra", "-20", "--long=27", "disk.img"}},
		{"disk.img.bz2", []string{"bzip2", "-k", "disk.img"}},
		{"disk.img.gz", []string{"gzip", "-k", "disk.img"}},
		{"a.tar", []string{"tar", "-cf", "a.tar", "disk.img"}},
		{"a.tar", []string{"tar", "-cf", "a.tar", "--format=posix", "./disk.img"}},
		{"a.tar", []string{"tar", "-cSf", "a.tar", "disk.img"}},
		{"a.tar", []string{"tar", "-cSf", "a.tar", "--format=posix", "disk.img"}},
		{"a.zip", []string{"zip", "-q", "-0", "a.zip", "disk.img"}},
		{"b.zip", []string{"zip", "-q", "b.zip", "disk.img"}},
		{"c.zip", []string{"zip", "-q", "-Z", "bzip2", "c.zip", "disk.img"}},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			oracle.Tool(t, tt.args[0])
			in := filepath.Join(dir, "disk.img")
			f, err := os.Create(in)
			must(t, err)
			for off := 0; off < len(b); off += 4096 { // with holes, for tar -S
				part := b[off:min(off+4096, len(b))]
				if len(bytes.Trim(part, "\x00")) > 0 {
					_, err := f.WriteAt(part, int64(off))
					must(t, err)
				}
			}
			must(t, errors.Join(f.Truncate(int64(len(b))), f.Close()))
			cmd := exec.Command(tt.args[0], tt.args[1:]...)
			cmd.Dir = dir
			oracle.Output(t, cmd)
			packed, err := os.ReadFile(filepath.Join(dir, tt.name))
			must(t, err)
			m, err := open(t, packed, "", &wrapped.Options{TempDir: emptyDir(t)})
			must(t, err)
			if !bytes.Equal(readAll(t, m), b) {
				t.Error("the bytes differ")
			}
		})
	}
}

func TestMembers(t *testing.T) {
	a, b, c := content(1000), content(2000), content(3000)
	files := []file{{"./dir/a.img", a}, {"dir//b.img", b}, {"c.txt", c}, {"dir/base.raw", c}}
	for name, packed := range map[string][]byte{
		"tar": tarOf(t, files...), "stored": zipOf(t, zip.Store, files...), "deflated": zipOf(t, zip.Deflate, files...),
	} {
		t.Run(name, func(t *testing.T) {
			opts := &wrapped.Options{TempDir: emptyDir(t)}
			for _, tt := range []struct {
				member string
				want   []byte
			}{{"dir/a.img", a}, {"/dir/b.img", b}, {"./c.txt", c}} {
				m, err := open(t, packed, tt.member, opts)
				must(t, err)
				if !bytes.Equal(readAll(t, m), tt.want) {
					t.Errorf("%s: the bytes differ", tt.member)
				}
			}
			m, err := open(t, packed, "dir/a.img", opts)
			must(t, err)
			if !m.InArchive() || m.Member != "dir/a.img" {
				t.Errorf("it is %q", m.Member)
			}
			beside, err := m.Beside(t.Context(), "base.raw", opts)
			must(t, err)
			if !bytes.Equal(readAll(t, beside), c) {
				t.Error("what lies beside differs")
			}
			must(t, beside.Close())
			for _, none := range []string{"c.txt", "../../c.txt/x", "none"} {
				if _, err := m.Beside(t.Context(), none, opts); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("beside it, %s: %v", none, err)
				}
			}
			if _, err := open(t, packed, "none", opts); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("none: %v", err)
			}
			if _, err := open(t, packed, "", opts); !errors.Is(err, wrapped.ErrChoice) || !strings.Contains(err.Error(), `3 look like images: "dir/a.img", "dir/b.img"`) {
				t.Errorf("without a name: %v", err)
			}
		})
	}
}

func TestTheOnlyImageIsChosen(t *testing.T) {
	qcow2 := append([]byte("QFI\xfb\x00\x00\x00\x03"), make([]byte, 1000)...)
	for _, tt := range []struct {
		name, want string
		files      []file
	}{
		{"the only file", "x", []file{{"x", content(100)}}},
		{"by its name", "b.vmdk", []file{{"a.ovf", nil}, {"b.vmdk", content(600)}, {"c.mf", nil}}},
		{"by the name under a compressed one", "b.img.gz", []file{{"a.txt", nil}, {"b.img.gz", gzipped(t, content(600))}}},
		{"by its first bytes", "b", []file{{"a.txt", content(600)}, {"b", qcow2}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := open(t, tarOf(t, tt.files...), "", nil)
			must(t, err)
			if m.Member != tt.want {
				t.Errorf("it is %q, want %q", m.Member, tt.want)
			}
		})
	}
	if _, err := open(t, tarOf(t, file{"a.txt", nil}, file{"b.txt", nil}), "", nil); !errors.Is(err, wrapped.ErrChoice) {
		t.Errorf("of two texts: %v", err)
	}
}

func TestBombsAreRefused(t *testing.T) {
	ones := bytes.Repeat([]byte{1}, 120<<20)
	for _, tt := range []struct {
		name   string
		packed []byte
		opts   wrapped.Options
	}{
		{"gzip by size", gzipped(t, content(1<<20)), wrapped.Options{MaxSize: 1<<20 - 1}},
		{"deflated by size", zipOf(t, zip.Deflate, file{"x", content(1 << 20)}), wrapped.Options{MaxSize: 1<<20 - 1}},
		{"gzip by ratio", gzipped(t, ones), wrapped.Options{}},
		{"zstd by ratio", zstandard(t, ones), wrapped.Options{}},
		{"deflated by ratio", zipOf(t, zip.Deflate, file{"x", ones}), wrapped.Options{}},
		{"too many wrappers", gzipped(t, gzipped(t, gzipped(t, gzipped(t, gzipped(t, content(10)))))), wrapped.Options{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.opts.TempDir = emptyDir(t)
			if _, err := open(t, tt.packed, "", &tt.opts); !errors.Is(err, wrapped.ErrLimit) {
				t.Errorf("Open: %v, want ErrLimit", err)
			}
		})
	}
	t.Run("zeroes are no bomb", func(t *testing.T) {
		m, err := open(t, zstandard(t, make([]byte, 300<<20)), "", &wrapped.Options{TempDir: emptyDir(t)})
		must(t, err)
		if start, end, err := m.NextData(0); start != end || err != nil {
			t.Errorf("NextData = %d, %d, %v, want a hole", start, end, err)
		}
	})
	// A dictionary of 4 GiB, in the header of the only block.
	hostile := xzipped(t, content(1000), 0)
	at := bytes.Index(hostile, []byte{0x21, 0x01})
	hostile[at+2] = 40
	header := hostile[12 : 12+int(hostile[12])*4+4]
	binary.LittleEndian.PutUint32(header[len(header)-4:], crc32.ChecksumIEEE(header[:len(header)-4]))
	if _, err := open(t, hostile, "", nil); !errors.Is(err, wrapped.ErrLimit) {
		t.Errorf("a dictionary of 4 GiB: %v, want ErrLimit", err)
	}
}

func TestWhatIsNotWrapped(t *testing.T) {
	for _, b := range [][]byte{nil, content(10), content(1000), append(make([]byte, 400), "ustar\x00"...)} {
		if is, err := wrapped.Is(backend.NewMemory(b)); is || err != nil {
			t.Errorf("Is = %v, %v", is, err)
		}
		if _, err := open(t, b, "", nil); !errors.Is(err, wrapped.ErrNotWrapped) {
			t.Errorf("Open: %v", err)
		}
	}
	if _, err := open(t, gzipped(t, content(10)), "member", &wrapped.Options{TempDir: emptyDir(t)}); !errors.Is(err, wrapped.ErrNotWrapped) {
		t.Errorf("a member of what has none: %v", err)
	}
	for name, want := range map[string]bool{"a.img.GZ": true, "x.ova": true, "x.tgz": true, "gz": false, "a.qed": false} {
		if got := wrapped.Named(name); got != want {
			t.Errorf("Named(%q) = %v", name, got)
		}
	}
}

// Wherever a wrapper is cut off or damaged, what comes out is right, or there
// is an error; nothing stays behind.
func TestDamageIsNoticed(t *testing.T) {
	b := content(150_000)
	for name, wrap := range ways {
		if name == "stored zip" || name == "tar" || name == "an OVA" {
			continue // their members are read as they lie there
		}
		t.Run(name, func(t *testing.T) {
			packed := wrap(t, b)
			opts := &wrapped.Options{TempDir: emptyDir(t), MaxSize: 1 << 20}
			try := func(what string, at int, packed []byte) {
				m, err := wrapped.Open(t.Context(), backend.NewMemory(packed), "", opts)
				if err != nil {
					return
				}
				defer m.Close()
				size, err := m.Size()
				must(t, err)
				got, err := io.ReadAll(io.NewSectionReader(m, 0, size))
				if err == nil && !bytes.Equal(got, b) && !bytes.Equal(got, packed) {
					t.Errorf("%s at %d of %d: %d bytes come out, and no error", what, at, len(packed), len(got))
				}
			}
			r := rand.New(rand.NewPCG(3, 4))
			for range 25 {
				at := r.IntN(len(packed)-20) + 10
				try("cut off", at, packed[:at])
				flipped := bytes.Clone(packed)
				flipped[at] ^= 1 << r.IntN(8)
				try("a bit changed", at, flipped)
			}
		})
	}
}

func TestUnpackingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	opts := &wrapped.Options{TempDir: emptyDir(t), Progress: func(done, total int64) {
		if done > total {
			t.Errorf("%d of %d done", done, total)
		}
		cancel()
	}}
	if _, err := wrapped.Open(ctx, backend.NewMemory(gzipped(t, content(1<<20))), "", opts); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	b := content(3000)
	for _, wrap := range ways {
		f.Add(wrap(f, b))
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		m, err := wrapped.Open(t.Context(), backend.NewMemory(packed), "", &wrapped.Options{TempDir: t.TempDir(), MaxSize: 1 << 20})
		if err != nil {
			return
		}
		defer m.Close()
		size, err := m.Size()
		must(t, err)
		for off := int64(0); off < min(size, 1<<20); off += 1 << 16 {
			if n, err := m.ReadAt(make([]byte, 100), off); err == nil && n != 100 {
				t.Errorf("ReadAt = %d without an error", n)
			}
		}
	})
}
