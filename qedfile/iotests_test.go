package qedfile_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// The tests in the files iotests_*_test.go do what the cases of qemu's own
// iotests do that concern this format, under the same numbers. Those about
// formats, or about features, that QED does not have are left out: 006 is
// about vpc, 007 about snapshots.

const (
	kib = int64(1) << 10
	mib = int64(1) << 20
	gib = int64(1) << 30
)

// A qemuCase issues requests like those of qemu-io.
type qemuCase struct {
	t    *testing.T
	dir  string
	name string
	m    *qedfile.Image
}

// newCase makes an image in a directory of its own, and opens it.
func newCase(t *testing.T, size int64, opts *qedfile.CreateOptions) *qemuCase {
	t.Helper()
	io := &qemuCase{t: t, dir: t.TempDir()}
	io.create("test.qed", size, opts)
	return io
}

func (io *qemuCase) path(name string) string { return filepath.Join(io.dir, name) }

// create closes the image and goes on with a new one.
func (io *qemuCase) create(name string, size int64, opts *qedfile.CreateOptions) {
	io.t.Helper()
	io.close()
	io.name = io.path(name)
	if opts == nil {
		opts = &qedfile.CreateOptions{}
	}
	opts.Backing = qedfile.AnyBacking(io.name)
	m, err := qedfile.Create(io.name, size, opts)
	if err != nil {
		io.t.Fatal(err)
	}
	io.m = m
	io.t.Cleanup(io.close)
}

// over gives the options for an image over a QED one.
func over(name string, cluster int64) *qedfile.CreateOptions {
	return &qedfile.CreateOptions{ClusterSize: cluster, BackingFile: name}
}

func (io *qemuCase) close() {
	if io.m == nil {
		return
	}
	if err := io.m.Close(); err != nil {
		io.t.Error(err)
	}
	io.m = nil
}

// reopen closes the image and opens it again, as the next qemu-io would.
func (io *qemuCase) reopen() {
	io.t.Helper()
	io.close()
	m, err := qedfile.Open(io.name, &qedfile.Options{Writable: true, Backing: qedfile.AnyBacking(io.name)})
	if err != nil {
		io.t.Fatal(err)
	}
	io.m = m
}

func (io *qemuCase) write(pattern byte, off, n int64) {
	io.t.Helper()
	if k, err := io.m.WriteAt(bytes.Repeat([]byte{pattern}, int(n)), off); err != nil || int64(k) != n {
		io.t.Fatalf("write of %d bytes at %d: %d, %v", n, off, k, err)
	}
}

func (io *qemuCase) zero(off, n int64) {
	io.t.Helper()
	if err := io.m.WriteZeroes(off, n); err != nil {
		io.t.Fatalf("zero write of %d bytes at %d: %v", n, off, err)
	}
}

func (io *qemuCase) read(pattern byte, off, n int64) {
	io.t.Helper()
	readPattern(io.t, io.m, pattern, off, n)
}

func readPattern(t *testing.T, d qedfile.Disk, pattern byte, off, n int64) {
	t.Helper()
	b := make([]byte, n)
	if k, err := d.ReadAt(b, off); err != nil || int64(k) != n {
		t.Fatalf("read of %d bytes at %d: %d, %v", n, off, k, err)
	}
	if i := firstDifference(b, bytes.Repeat([]byte{pattern}, int(n))); i >= 0 {
		t.Fatalf("byte %d is %#x, want %#x", off+int64(i), b[i], pattern)
	}
}

// each calls do for n offsets, step bytes apart.
func each(off, step int64, n int, do func(off int64)) {
	for range n {
		do(off)
		off += step
	}
}

// check closes the image, finds it sound, by our check and by qemu's where
// there is one, and opens it again.
func (io *qemuCase) check() {
	io.t.Helper()
	io.close()
	m, err := qedfile.Open(io.name, &qedfile.Options{Backing: qedfile.AnyBacking(io.name)})
	if err != nil {
		io.t.Fatal(err)
	}
	report, err := m.Check(io.t.Context(), nil)
	m.Close()
	if err != nil || report.Corruptions+report.Leaks+report.CheckErrors != 0 || report.Dirty {
		io.t.Errorf("check of %s: %+v (%v)", io.name, report, err)
	}
	if tables := m.Header().TableSize; tables > 1 {
		io.t.Run("checked by qemu", func(t *testing.T) {
			oracle.Tool(t, "qemu-img")
			qemuCheck(t, io.name, m.Header().ClusterSize)
		})
	}
	io.reopen()
}

func TestIotest001ReadsAndRewritesAWholeImage(t *testing.T) {
	io := newCase(t, 128*mib, nil)
	io.read(0, 0, 128*mib)
	io.write(0xa, 0, 128*mib)
	io.read(0xa, 0, 128*mib)
	io.reopen()
	io.read(0xa, 0, 128*mib)
	io.check()
}

func TestIotest002WritesAtAnyAlignment(t *testing.T) {
	io := newCase(t, 2*mib, nil)
	io.write(0xa, 0, 2*mib)
	io.write(0xab, 66, 42)
	io.write(0xac, 512, 288)
	io.write(0xad, 800, 224)
	io.write(0xae, 66000, 128*kib)
	io.write(0xaf, 256*kib, 42)
	for range 2 {
		io.read(0xa, 0, 66)
		io.read(0xab, 66, 42)
		io.read(0xa, 108, 404)
		io.read(0xac, 512, 288)
		io.read(0xad, 800, 224)
		io.read(0xa, 1*kib, 64976)
		io.read(0xae, 66000, 128*kib)
		io.read(0xa, 197072, 65072)
		io.read(0xaf, 256*kib, 42)
		io.read(0xa, 262186, 470)
		io.reopen()
	}
	io.check()
}

func TestIotest003WritesManyPiecesInARow(t *testing.T) {
	io := newCase(t, 128*mib, nil)
	io.write(0xa, 0, 128*mib)
	each(67*mib, 8*kib, 7, func(off int64) { io.write(0xb, off, 8*kib) })
	io.read(0xb, 67*mib, 56*kib)
	io.read(0xa, 67*mib-4*kib, 4*kib)
	io.read(0xa, 67*mib+56*kib, 4*kib)
	io.check()
}

func TestIotest004RefusesRequestsOutsideTheDisk(t *testing.T) {
	io := newCase(t, 128*mib, nil)
	io.write(1, 127*mib, mib)
	io.read(1, 127*mib, mib)
	for _, off := range []int64{127 * mib, 128 * mib, 140 * mib} {
		t.Run(fmt.Sprintf("4 MiB at %d MiB", off/mib), func(t *testing.T) {
			b := make([]byte, 4*mib)
			if n, err := io.m.WriteAt(b, off); n != 0 || err == nil {
				t.Errorf("write: %d, %v", n, err)
			}
			if err := io.m.WriteZeroes(off, 4*mib); err == nil {
				t.Error("zero write succeeded")
			}
			want := int(max(0, 128*mib-off))
			if n, err := io.m.ReadAt(b, off); n != want || err == nil {
				t.Errorf("read: %d, %v", n, err)
			}
		})
	}
	io.read(1, 127*mib, mib)
	io.check()
}

func TestIotest005And105UseHugeImages(t *testing.T) {
	for _, size := range []int64{5000 * gib, 16384 * gib} {
		io := newCase(t, size, nil)
		io.read(0, 1024, 4096)
		io.write(5, 8192, 4096)
		io.read(0, size-2*gib, 4096)
		io.write(6, size-2*gib, 4096)
		io.reopen()
		io.read(5, 8192, 4096)
		io.read(6, size-2*gib, 4096)
		io.check()
	}
}

func TestIotest008WritesAndReadsSideBySide(t *testing.T) {
	io := newCase(t, 128*mib, nil)
	done := make(chan error)
	const each = mib
	for i := range 8 {
		go func() {
			b := bytes.Repeat([]byte{byte(i + 1)}, int(each))
			var err error
			for k := range int64(4) {
				if _, err = io.m.WriteAt(b, (int64(i)+8*k)*each); err != nil {
					break
				}
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for k := range int64(32) {
		io.read(byte(k%8+1), k*mib, mib)
	}
	io.check()
}

func TestIotest009And010KeepNeighboursApart(t *testing.T) {
	io := newCase(t, 6*gib, nil)
	io.write(165, 2048*kib, 4*kib)
	io.write(0xcd, 64*kib, 4*kib)
	io.write(0xcd, 9*mib, 4*kib)
	io.write(165, 2044*kib, 4*kib)
	io.write(99, 8*mib, 4*kib)
	io.read(165, 2044*kib, 8*kib)
	io.read(0, 2052*kib, 4*kib)
	io.write(100, 8*mib+64*kib, 64*kib)
	io.read(99, 8*mib, 4*kib)
	io.check()
	io.read(165, 2044*kib, 8*kib)
}

func TestIotest025GrowsAWrittenImage(t *testing.T) {
	io := newCase(t, 32*mib, nil)
	io.write(0xc5, 0, 32*mib)
	io.check()
	if err := io.m.Resize(96 * mib); err != nil {
		t.Fatal(err)
	}
	io.check()
	if size := io.m.Size(); size != 96*mib {
		t.Errorf("size %d", size)
	}
	io.read(0xc5, 0, 32*mib)
	io.read(0, 32*mib, 64*mib)
}

func TestIotest027FillsTheRestOfAClusterWithZeroes(t *testing.T) {
	io := newCase(t, 128*mib, nil)
	io.write(0xde, 64*kib, 64*kib)
	io.write(0xa, 1024, 2048)
	io.reopen()
	io.read(0, 0, 1024)
	io.read(0xa, 1024, 2048)
	io.read(0, 3072, 64*kib-3072)
	io.read(0xde, 64*kib, 64*kib)
	io.check()
}

func TestIotest033ZeroesAtAnyAlignment(t *testing.T) {
	io := newCase(t, 128*mib, nil)
	io.write(0xa, 0x200, 0x400)
	io.write(0xa, 0x20000, 0x600)
	io.zero(0x400, 0x20000)
	io.read(0xa, 0x200, 0x200)
	io.read(0, 0x400, 0x20000)
	io.read(0xa, 0x20400, 0x200)
	io.write(0xb, 0x10000, 0x10000)
	io.zero(0x10000, 0x10000)
	io.read(0, 0x400, 0x20000)
	io.zero(0x20401, 0x1fe) // not even whole sectors
	io.read(0xa, 0x20400, 1)
	io.read(0, 0x20401, 0x1fe)
	io.read(0xa, 0x205ff, 1)
	io.check()
}

func TestIotest042HandlesImagesOfNoSize(t *testing.T) {
	io := newCase(t, 0, nil)
	io.check()
	io.create("copy.qed", 0, nil)
	if err := qedfile.Convert(t.Context(), io.m, open(t, io.path("test.qed")), nil); err != nil {
		t.Fatal(err)
	}
	io.check()
	base := open(t, io.path("test.qed"))
	if err := io.m.SetBacking("test.qed", nil); err != nil {
		t.Fatal(err)
	}
	io.reopen()
	if err := qedfile.Rebase(t.Context(), io.m, base, "test.qed", nil); err != nil {
		t.Fatal(err)
	}
	io.check()
	if c, err := qedfile.Compare(t.Context(), io.m, base, nil); err != nil || c.Mismatch != qedfile.Identical {
		t.Errorf("%+v (%v)", c, err)
	}
}

func TestIotest048ComparesImages(t *testing.T) {
	io := newCase(t, 128*mib, &qedfile.CreateOptions{ClusterSize: 4096})
	each(512*kib, 4*kib, 4, func(off int64) { io.write(45, off, 4*kib) })
	io.close()
	b, err := os.ReadFile(io.name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(io.path("copy.qed"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	io.reopen()
	same := open(t, io.path("copy.qed"))
	expect := func(what string, strict bool, want qedfile.Comparison) {
		t.Helper()
		got, err := qedfile.Compare(t.Context(), io.m, same, &qedfile.CompareOptions{Strict: strict})
		if err != nil || got != want {
			t.Errorf("%s: %+v (%v), want %+v", what, got, err, want)
		}
	}
	expect("a copy", true, qedfile.Comparison{Mismatch: qedfile.Identical, Offset: -1})
	if err := io.m.Resize(160 * mib); err != nil {
		t.Fatal(err)
	}
	io.zero(128*mib, 32*mib)
	expect("longer by zeroes", false, qedfile.Comparison{Mismatch: qedfile.Identical, Offset: -1})
	expect("longer by zeroes", true, qedfile.Comparison{Mismatch: qedfile.SizeMismatch, Offset: -1})
	io.write(67, 1228800, 4096)
	expect("a cluster more", false, qedfile.Comparison{Mismatch: qedfile.ContentMismatch, Offset: 1228800})
	io.write(123, 0, 4096)
	expect("the first cluster", false, qedfile.Comparison{Mismatch: qedfile.ContentMismatch, Offset: 0})
	io.zero(0, 4096)
	io.write(1, 512, 1)
	expect("one byte in a cluster", false, qedfile.Comparison{Mismatch: qedfile.ContentMismatch, Offset: 512})
}

func TestIotest104RoundsSizesUp(t *testing.T) {
	for size, want := range map[int64]int64{1024: 1024, 1234: 1536} {
		if io := newCase(t, size, nil); io.m.Size() != want {
			t.Errorf("an image of %d bytes has %d, want %d", size, io.m.Size(), want)
		}
	}
}

func TestIotest116RefusesBrokenHeaders(t *testing.T) {
	for _, test := range []struct {
		name string
		at   int64
		poke string
		cut  int64
	}{
		{"a header cluster cut short", 0, "", 512},
		{"another magic", 0, "QEDX", 0},
		{"a cluster size of all ones", 4, "\xff\xff\xff\xff", 0},
		{"a table size of all ones", 8, "\xff\xff\xff\xff", 0},
		{"a header size of all ones", 12, "\xff\xff\xff\xff", 0},
		{"an L1 offset of all ones", 40, "\xff\xff\xff\xff\xff\xff\xff\xff", 0},
		{"an image size of all ones", 48, "\xff\xff\xff\xff\xff\xff\xff\xff", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			io := newCase(t, 128*mib, nil)
			io.close()
			if test.cut > 0 {
				if err := os.Truncate(io.name, test.cut); err != nil {
					t.Fatal(err)
				}
			}
			f, err := os.OpenFile(io.name, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte(test.poke), test.at); err != nil {
				t.Fatal(err)
			}
			for _, writable := range []bool{false, true} {
				if _, err := qedfile.Open(io.name, &qedfile.Options{Writable: writable}); err == nil {
					t.Error("it was opened")
				}
			}
		})
	}
}
