package qedfile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// newRaw is an empty raw disk in memory.
func newRaw(tb testing.TB) (*qedfile.Raw, *backend.Memory) {
	tb.Helper()
	mem := backend.NewMemory(nil)
	d, err := qedfile.NewRaw(mem)
	if err != nil {
		tb.Fatal(err)
	}
	return d, mem
}

// qemuChain makes an image over a raw and a QED one, all of them written to
// at random, and returns its name.
func qemuChain(tb testing.TB, rnd *rand.Rand) string {
	tb.Helper()
	dir := tb.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	size := 1<<20 + 512*rnd.Int64N(8000)
	raw := randomBytes(rnd, rnd.Int64N(2*size))
	if err := os.WriteFile(at("base.raw"), raw, 0o644); err != nil {
		tb.Fatal(err)
	}
	geometry := fmt.Sprintf("cluster_size=%d", 4096<<rnd.IntN(6))
	middle := size/2 + 512*rnd.Int64N(size/512)
	qemuCreate(tb, at("middle.qed"), middle, geometry, "-b", "base.raw", "-F", "raw")
	qemuIO(tb, "qed", at("middle.qed"), randomIO(rnd, middle, 4096, 6)...)
	qemuCreate(tb, at("top.qed"), size, geometry, "-b", "middle.qed", "-F", "qed")
	qemuIO(tb, "qed", at("top.qed"), randomIO(rnd, size, 4096, 6)...)
	return at("top.qed")
}

func TestConvertOfAChainGivesTheBytesThatQemuGives(t *testing.T) {
	rnd := oracle.Seed(t)
	for range 8 {
		name := qemuChain(t, rnd)
		for _, sparse := range []int64{0, -1, 64 << 10} {
			dst, mem := newRaw(t)
			opts := &qedfile.ConvertOptions{SparseSize: max(sparse, 0), CopyAll: sparse < 0, Workers: 1 + rnd.IntN(5)}
			if err := qedfile.Convert(t.Context(), dst, open(t, name), opts); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(mem.Bytes(), qemuRaw(t, name)) {
				t.Fatalf("the copy of %s (sparse size %d) differs from qemu's", name, sparse)
			}
		}
	}
}

func TestConvertBetweenFilesGivesTheBytesThatQemuGives(t *testing.T) {
	rnd := oracle.Seed(t)
	for range 4 {
		name := qemuChain(t, rnd)
		want := qemuRaw(t, name)
		for _, mapped := range []bool{false, true} {
			for _, sparse := range []int64{0, -1} {
				opts := &qedfile.ConvertOptions{CopyAll: sparse < 0}
				copied := filepath.Join(t.TempDir(), "copy.raw")
				// What the file held is gone afterwards, up to the end of the disk.
				writeFile(t, copied, bytes.Repeat([]byte{0xaa}, rnd.IntN(2<<20)))
				dst := rawFile(t, copied, os.O_RDWR, false)
				if err := qedfile.Convert(t.Context(), dst, openStored(t, name, mapped), opts); err != nil {
					t.Fatal(err)
				}
				dst.Close()
				if got := readMemory(t, copied).Bytes(); !bytes.Equal(got[:len(want)], want) {
					t.Fatalf("the copy differs from qemu's (mapped: %v, sparse size %d)", mapped, sparse)
				}
				back := filepath.Join(t.TempDir(), "back.qed")
				img, err := qedfile.Create(back, int64(len(want)), &qedfile.CreateOptions{ClusterSize: 4096 << rnd.IntN(6)})
				if err != nil {
					t.Fatal(err)
				}
				cluster := img.Header().ClusterSize
				if err := qedfile.Convert(t.Context(), img, rawFile(t, copied, os.O_RDONLY, mapped), opts); err != nil {
					t.Fatal(err)
				}
				if err := img.Close(); err != nil {
					t.Fatal(err)
				}
				qemuCheck(t, back, cluster)
				if got := qemuRaw(t, back); !bytes.Equal(got[:len(want)], want) {
					t.Fatalf("the copy in an image differs (mapped: %v, sparse size %d)", mapped, sparse)
				}
			}
		}
	}
}

// openStored is open for an image that may be mapped.
func openStored(tb testing.TB, name string, mapped bool) *qedfile.Image {
	tb.Helper()
	m, err := qedfile.New(stored(tb, name, os.O_RDONLY, mapped), &qedfile.Options{Backing: qedfile.AnyBacking(name)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { m.Close() })
	return m
}

// rawFile opens a raw disk that may be mapped.
func rawFile(tb testing.TB, name string, flag int, mapped bool) *qedfile.Raw {
	tb.Helper()
	d, err := qedfile.NewRaw(stored(tb, name, flag, mapped))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { d.Close() })
	return d
}

func stored(tb testing.TB, name string, flag int, mapped bool) backend.Reader {
	tb.Helper()
	f, err := backend.OpenFile(name, flag, nil)
	if err != nil {
		tb.Fatal(err)
	}
	if mapped {
		return backend.NewMapped(f, nil)
	}
	return f
}

func TestConvertLeavesZeroesOutOfWhatIsMapped(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	content := make([]byte, 8<<20)
	content[3<<20], content[5<<20+4095] = 1, 1
	writeFile(t, name, content)
	dst, mem := newRaw(t)
	if err := qedfile.Convert(t.Context(), dst, rawFile(t, name, os.O_RDONLY, true), nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(mem.Bytes(), content) {
		t.Error("the copy differs")
	}
	if start, end, err := mem.NextData(0); err != nil || start != 3<<20 || end-start > 64<<10 {
		t.Errorf("data from %d to %d (%v)", start, end, err)
	}
}

// A disk that is cut while it is copied ends the copy with an error, whatever
// it was cut in the midst of.
func TestConvertOfWhatIsMappedAndCutFails(t *testing.T) {
	for _, format := range []string{"raw", "qed"} {
		name := filepath.Join(t.TempDir(), "disk")
		writeFile(t, name, bytes.Repeat([]byte("full"), 4<<20))
		src := rawFile(t, name, os.O_RDONLY, true)
		var dst qedfile.WritableDisk = rawFile(t, newName(t), os.O_RDWR|os.O_CREATE, false)
		if format == "qed" {
			img, err := qedfile.Create(newName(t), src.Size(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer img.Close()
			dst = img
		}
		cut := sync.OnceFunc(func() { os.Truncate(name, 9<<20+100) })
		err := qedfile.Convert(t.Context(), dst, src, &qedfile.ConvertOptions{Progress: func(done, _ int64) { cut() }})
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("to %s: %v, want io.ErrUnexpectedEOF", format, err)
		}
		if _, err := dst.WriteAt([]byte("more"), 15<<20); err != nil {
			t.Errorf("after the source failed the %s disk is written: %v", format, err)
		}
	}
}

func newName(tb testing.TB) string { return filepath.Join(tb.TempDir(), "new") }

func TestConvertMakesTheSameImageHoweverManyWork(t *testing.T) {
	rnd := oracle.Seed(t)
	content := make([]byte, 40<<20)
	for off := rnd.IntN(1 << 20); off < len(content); off += rnd.IntN(4 << 20) {
		copy(content[off:], randomBytes(rnd, rnd.Int64N(3<<20)))
	}
	var want []byte
	for _, workers := range []int{1, 2, 8} {
		mem := backend.NewMemory(nil)
		// Many small tables, each to find its place.
		img, err := qedfile.CreateIn(mem, int64(len(content)), &qedfile.CreateOptions{ClusterSize: 4096, TableSize: 2})
		if err != nil {
			t.Fatal(err)
		}
		if err := qedfile.Convert(t.Context(), img, rawOf(t, content), &qedfile.ConvertOptions{Workers: workers}); err != nil {
			t.Fatal(err)
		}
		if err := img.Sync(); err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = mem.Bytes()
		} else if !bytes.Equal(mem.Bytes(), want) {
			t.Errorf("%d workers make another image", workers)
		}
	}
}

func TestConvertLeavesZeroesOut(t *testing.T) {
	src := backend.NewMemory(make([]byte, 8<<20))
	src.WriteAt([]byte{1}, 3<<20)
	disk, err := qedfile.NewRaw(src)
	if err != nil {
		t.Fatal(err)
	}
	dst, mem := newRaw(t)
	if err := qedfile.Convert(t.Context(), dst, disk, nil); err != nil {
		t.Fatal(err)
	}
	start, end, err := mem.NextData(0)
	if err != nil || start != 3<<20 || end-start > 64<<10 {
		t.Errorf("data from %d to %d (%v)", start, end, err)
	}
	if dst.Size() != 8<<20 {
		t.Errorf("size %d", dst.Size())
	}
}

func TestConvertKeepsZeroesThatAreTooFewToLeaveOut(t *testing.T) {
	content := bytes.Repeat([]byte{1}, 6<<20)
	clear(content[2<<20:][:1<<20-512])
	clear(content[3<<20+100<<10:][:700<<10])
	for _, sparse := range []int64{1 << 20, 1 << 30} {
		dst, mem := newRaw(t)
		if err := qedfile.Convert(t.Context(), dst, rawOf(t, content), &qedfile.ConvertOptions{SparseSize: sparse}); err != nil {
			t.Fatal(err)
		}
		if start, end, err := mem.NextData(0); err != nil || start != 0 || end != 6<<20 {
			t.Errorf("with %d: data from %d to %d (%v)", sparse, start, end, err)
		}
	}
}

func TestConvertClearsWhatTheTargetHeld(t *testing.T) {
	old := bytes.Repeat([]byte{0xaa}, 4<<20)
	mem := backend.NewMemory(bytes.Clone(old))
	dst, err := qedfile.NewRaw(mem)
	if err != nil {
		t.Fatal(err)
	}
	src, srcMem := newRaw(t)
	if err := src.Resize(3 << 20); err != nil {
		t.Fatal(err)
	}
	srcMem.WriteAt([]byte("data"), 1<<20)
	if err := qedfile.Convert(t.Context(), dst, src, nil); err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 4<<20)
	copy(want[1<<20:], "data")
	copy(want[3<<20:], old) // beyond the source's end nothing changes
	if !bytes.Equal(mem.Bytes(), want) {
		t.Error("the target shows what it held before")
	}
}

func TestConvertOfAnEmptyImageTakesNoTimeForItsSize(t *testing.T) {
	name := filepath.Join(t.TempDir(), "empty.qed")
	qemuCreate(t, name, 1<<46, "table_size=16")
	reads := &countReads{Memory: readMemory(t, name)}
	img, err := qedfile.New(reads, nil)
	if err != nil {
		t.Fatal(err)
	}
	dst, mem := newRaw(t)
	if err := qedfile.Convert(t.Context(), dst, img, nil); err != nil {
		t.Fatal(err)
	}
	if size, _ := mem.Size(); size != 1<<46 {
		t.Errorf("size %d", size)
	}
	if reads.n > 1000 {
		t.Errorf("%d reads of an image without data", reads.n)
	}
}

// countReads counts the reads of a storage.
type countReads struct {
	*backend.Memory
	n int
}

func (c *countReads) ReadAt(p []byte, off int64) (int, error) {
	c.n++
	return c.Memory.ReadAt(p, off)
}

func readMemory(tb testing.TB, name string) *backend.Memory {
	tb.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	return backend.NewMemory(b)
}

func TestConvertEndsWhenItsContextDoes(t *testing.T) {
	src, err := qedfile.NewRaw(backend.NewMemory(bytes.Repeat([]byte{1}, 32<<20)))
	if err != nil {
		t.Fatal(err)
	}
	dst, _ := newRaw(t)
	ctx, cancel := context.WithCancel(t.Context())
	last := int64(0)
	err = qedfile.Convert(ctx, dst, src, &qedfile.ConvertOptions{Progress: func(done, total int64) {
		if last = done; done > total/4 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || last > 31<<20 {
		t.Errorf("ended at %d with %v", last, err)
	}
}

func TestConvertPassesTheErrorOfEitherSideOn(t *testing.T) {
	src := backend.NewMemory(bytes.Repeat([]byte{1}, 4<<20))
	for _, test := range []struct {
		name     string
		src, dst backendtest.FaultPlan
	}{
		{"a read fails", backendtest.FaultPlan{Ops: backendtest.OpRead, Nth: 3}, backendtest.FaultPlan{}},
		{"a write fails", backendtest.FaultPlan{}, backendtest.FaultPlan{Ops: backendtest.OpWrite, Nth: 2}},
		{"the truncation fails", backendtest.FaultPlan{}, backendtest.FaultPlan{Ops: backendtest.OpTruncate, Nth: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			from, err := qedfile.NewRaw(backendtest.NewFault(src, test.src))
			if err != nil {
				t.Fatal(err)
			}
			to, err := qedfile.NewRaw(backendtest.NewFault(backend.NewMemory(nil), test.dst))
			if err != nil {
				t.Fatal(err)
			}
			if err := qedfile.Convert(t.Context(), to, from, nil); !errors.Is(err, backendtest.ErrInjected) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestMeasureIsTheSizeThatTheCopyGets(t *testing.T) {
	rnd := oracle.Seed(t)
	for range 6 {
		src := open(t, qemuChain(t, rnd))
		geometry := qedfile.CreateOptions{ClusterSize: 4096 << rnd.IntN(5), TableSize: 1 << rnd.IntN(5)}
		got, err := qedfile.Measure(t.Context(), src, &geometry)
		if err != nil {
			t.Fatal(err)
		}
		// Measure does not look for zeroes.
		if size := copySize(t, src, &geometry); got.Required != size {
			t.Errorf("required %d bytes, the copy has %d", got.Required, size)
		}
		full := rawOf(t, bytes.Repeat([]byte{1}, int(src.Size())))
		if size := copySize(t, full, &geometry); got.FullyAllocated != size {
			t.Errorf("fully allocated %d bytes, the copy has %d", got.FullyAllocated, size)
		}
	}
}

// copySize is the length of a new image that holds all of what src stores.
func copySize(t *testing.T, src qedfile.Disk, opts *qedfile.CreateOptions) int64 {
	t.Helper()
	mem := backend.NewMemory(nil)
	m, err := qedfile.CreateIn(keepOpen{mem}, src.Size(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := qedfile.Convert(t.Context(), m, src, &qedfile.ConvertOptions{CopyAll: true}); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return storageSize(t, mem)
}

func TestFullyAllocatedIsTheSizeOfTheImageThatQemuMakes(t *testing.T) {
	for _, cluster := range []int64{4096, 65536} {
		dir := t.TempDir()
		raw, made := filepath.Join(dir, "full.raw"), filepath.Join(dir, "full.qed")
		size := 9<<20 + int64(512)
		writeFile(t, raw, bytes.Repeat([]byte{1}, int(size)))
		oracle.Run(t, "qemu-img", "convert", "-f", "raw", "-O", "qed", "-o", fmt.Sprint("cluster_size=", cluster), raw, made)
		got, err := qedfile.Measure(t.Context(), rawOf(t, make([]byte, size)), &qedfile.CreateOptions{ClusterSize: cluster})
		if err != nil || got.FullyAllocated != fileSize(t, made) {
			t.Errorf("%+v (%v), qemu-img's file has %d bytes", got, err, fileSize(t, made))
		}
	}
}

func TestProgressEndsAtTheEnd(t *testing.T) {
	src, _ := newRaw(t)
	if err := src.Resize(8 << 20); err != nil {
		t.Fatal(err)
	}
	if _, err := src.WriteAt(bytes.Repeat([]byte{1}, 3<<20), 1<<20); err != nil {
		t.Fatal(err)
	}
	dst, _ := newRaw(t)
	last := int64(-1)
	err := qedfile.Convert(t.Context(), dst, src, &qedfile.ConvertOptions{Progress: func(done, total int64) {
		if done < last || done > total || total != 8<<20 {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		last = done
	}})
	if err != nil || last != 8<<20 {
		t.Errorf("the last was %d (%v)", last, err)
	}
}

func fileSize(tb testing.TB, name string) int64 {
	tb.Helper()
	fi, err := os.Stat(name)
	if err != nil {
		tb.Fatal(err)
	}
	return fi.Size()
}
