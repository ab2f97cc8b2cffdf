package qedfile_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// A layered image lies in memory over a raw base, both written at random.
type layered struct {
	file, base *backend.Memory
	content    []byte // of the disk
}

// backing opens a raw disk in memory as the backing file, whatever its name.
func backing(s backend.Reader) qedfile.BackingFunc {
	return func(qedfile.BackingRef) (qedfile.Disk, error) { return qedfile.NewRaw(s) }
}

func newLayered(t *testing.T, rnd *rand.Rand, baseSize int64) *layered {
	t.Helper()
	cluster := int64(4096) << rnd.IntN(3)
	size := 1<<20 + 512*rnd.Int64N(2048)
	l := &layered{file: backend.NewMemory(nil), base: backend.NewMemory(nil), content: make([]byte, size)}
	opts := &qedfile.CreateOptions{ClusterSize: cluster, TableSize: 1 << rnd.IntN(3)}
	if baseSize >= 0 {
		b := randomBytes(rnd, baseSize)
		copy(l.content, b)
		l.base = backend.NewMemory(b)
		opts.BackingFile, opts.BackingRaw = "base.raw", true
		opts.Backing = backing(l.base)
	}
	m, err := qedfile.CreateIn(l.file, size, opts)
	if err != nil {
		t.Fatal(err)
	}
	for range 12 {
		scribble(t, rnd, m, l.content, cluster)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	l.file, l.base = l.file.Clone(), l.base.Clone()
	return l
}

// randomBytes are pages of one value each, many of them zero.
func randomBytes(rnd *rand.Rand, n int64) []byte {
	b := make([]byte, n)
	for off := int64(0); off < n; off += 4096 {
		if rnd.IntN(2) == 0 {
			copy(b[off:], bytes.Repeat([]byte{byte(1 + rnd.IntN(255))}, 4096))
		}
	}
	return b
}

// scribble writes or zeroes somewhere, on the disk and in its model.
func scribble(t *testing.T, rnd *rand.Rand, d qedfile.WritableDisk, model []byte, cluster int64) {
	t.Helper()
	off := rnd.Int64N(int64(len(model)))
	n := min(1+rnd.Int64N(5*cluster), int64(len(model))-off)
	if rnd.IntN(2) == 0 {
		off = off / cluster * cluster
		n = min(cluster*(1+rnd.Int64N(3)), int64(len(model))-off)
	}
	if rnd.IntN(3) == 0 {
		clear(model[off : off+n])
		if err := d.WriteZeroes(off, n); err != nil {
			t.Fatal(err)
		}
		return
	}
	b := bytes.Repeat([]byte{byte(rnd.IntN(3) * rnd.IntN(256))}, int(n))
	copy(model[off:], b)
	if _, err := d.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// openIn opens the image in s over base.
func openIn(t *testing.T, s backend.Reader, base backend.Reader, writable bool) *qedfile.Image {
	t.Helper()
	m, err := qedfile.New(s, &qedfile.Options{Backing: backing(base), Writable: writable})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func diskBytes(t *testing.T, d qedfile.Disk) []byte {
	t.Helper()
	b := make([]byte, d.Size())
	if len(b) == 0 {
		return b
	}
	if _, err := d.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// shows fails unless the image in s, over base, is sound and holds want.
func shows(t *testing.T, s, base *backend.Memory, want []byte, when string) {
	t.Helper()
	m := openIn(t, s.Clone(), base.Clone(), true)
	defer m.Close()
	if i := firstDifference(diskBytes(t, m), want); i >= 0 {
		t.Fatalf("%s: byte %d differs", when, i)
	}
	report, err := m.Check(t.Context(), nil)
	if err != nil || report.Corruptions != 0 {
		t.Fatalf("%s: %+v (%v)", when, report, err)
	}
}

func TestCompactKeepsTheContentAndDropsTheRest(t *testing.T) {
	rnd := oracle.Seed(t)
	for range 20 {
		l := newLayered(t, rnd, rnd.Int64N(3<<20)-1<<20)
		src := openIn(t, l.file, l.base, false)
		dst := backend.NewMemory(nil)
		if err := qedfile.Compact(t.Context(), dst, src, nil); err != nil {
			t.Fatal(err)
		}
		shows(t, dst, l.base, l.content, "compacted")
		if h := src.Header(); h.TableSize > 1 && h.BackingFile == "" {
			t.Run("checked by qemu", func(t *testing.T) {
				name := filepath.Join(t.TempDir(), "compact.qed")
				writeFile(t, name, dst.Bytes())
				qemuCheck(t, name, h.ClusterSize)
			})
		}
		out := openIn(t, dst, l.base, false)
		if a, b := src.Header(), out.Header(); a.BackingFile != b.BackingFile || a.Features != b.Features || a.ClusterSize != b.ClusterSize || a.TableSize != b.TableSize {
			t.Errorf("header %+v became %+v", a, b)
		}
		report, err := out.Check(t.Context(), nil)
		if err != nil || report.Leaks != 0 || report.FragmentedClusters > fragments(report, out) {
			t.Errorf("%+v (%v)", report, err)
		}
		if before, after := storageSize(t, l.file), storageSize(t, dst); after > before {
			t.Errorf("%d bytes became %d", before, after)
		}
		for e, err := range out.Extents(0, out.Size()) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind == qedfile.Data && e.Depth == 0 && zeroCluster(l.content, e, out.Header().ClusterSize) {
				t.Errorf("a cluster of zeroes is stored in %+v", e)
			}
		}
	}
}

// fragments is how many entries may not follow their predecessor: where an L2
// table lies between two clusters.
func fragments(r *qedfile.CheckReport, m *qedfile.Image) int64 {
	h := m.Header()
	return r.TotalClusters/(h.ClusterSize*h.TableSize/8) + 1
}

func zeroCluster(content []byte, e qedfile.Extent, cluster int64) bool {
	for off := e.Start; off < e.Start+e.Length; off += cluster {
		end := min(off+cluster, int64(len(content)))
		if bytes.Count(content[off:end], []byte{0}) == int(end-off) {
			return true
		}
	}
	return false
}

func storageSize(t *testing.T, s backend.Reader) int64 {
	t.Helper()
	n, err := s.Size()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCompactKeepsTheHeaderAreaWithItsExtensions(t *testing.T) {
	l := newLayered(t, rand.New(rand.NewPCG(1, 2)), 1<<20)
	l.file.WriteAt([]byte("extension"), 3000)
	l.file.WriteAt([]byte{4}, 24) // a compat bit
	l.file.WriteAt([]byte{8}, 32) // an autoclear bit
	l.file.WriteAt([]byte{7}, 16) // NEED_CHECK, beside the two of the backing file
	dst := backend.NewMemory(nil)
	if err := qedfile.Compact(t.Context(), dst, openIn(t, l.file, l.base, false), nil); err != nil {
		t.Fatal(err)
	}
	b := dst.Bytes()
	if string(b[3000:3009]) != "extension" || b[16] != 5 || b[24] != 4 || b[32] != 0 {
		t.Errorf("header area %q, features %d, compat %d, autoclear %d", b[3000:3009], b[16], b[24], b[32])
	}
	shows(t, dst, l.base, l.content, "compacted")
}

func TestCompactRefusesAStorageThatHoldsSomething(t *testing.T) {
	l := newLayered(t, rand.New(rand.NewPCG(1, 2)), -1)
	dst := backend.NewMemory([]byte("precious"))
	if err := qedfile.Compact(t.Context(), dst, openIn(t, l.file, l.base, false), nil); err == nil || string(dst.Bytes()) != "precious" {
		t.Errorf("error %v, the storage holds %q", err, dst.Bytes())
	}
}

func TestCrashedCompactLeavesTheWholeImageOrNone(t *testing.T) {
	rnd := oracle.Seed(t)
	l := newLayered(t, rnd, 1<<20)
	disk := backendtest.NewCrash(nil)
	if err := qedfile.Compact(t.Context(), disk, openIn(t, l.file, l.base, false), nil); err != nil {
		t.Fatal(err)
	}
	images := 0
	for n := range disk.Len() + 1 {
		for _, left := range []*backend.Memory{disk.Prefix(n), disk.CrashAt(n, rnd)} {
			m, err := qedfile.New(left.Clone(), &qedfile.Options{Backing: backing(l.base.Clone())})
			if errors.Is(err, qedfile.ErrFormat) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			m.Close()
			images++
			shows(t, left, l.base, l.content, "after a crash")
		}
	}
	if images == 0 {
		t.Error("no state was an image")
	}
	if n := disk.Len(); disk.Synced(n) != n {
		t.Errorf("of %d changes %d are durable", n, disk.Synced(n))
	}
}

func TestCommitMovesTheContentToTheBase(t *testing.T) {
	rnd := oracle.Seed(t)
	for range 20 {
		l := newLayered(t, rnd, rnd.Int64N(3<<20))
		base := l.base.Clone()
		m, err := qedfile.New(l.file, &qedfile.Options{Backing: backing(base), Writable: true})
		if err != nil {
			t.Fatal(err)
		}
		old := storageSize(t, l.base)
		empty := rnd.IntN(2) == 0
		if err := qedfile.Commit(t.Context(), m.Backing().(qedfile.WritableDisk), m, &qedfile.CommitOptions{Empty: empty}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(diskBytes(t, m), l.content) {
			t.Fatal("the image shows something else after the commit")
		}
		report, err := m.Check(t.Context(), nil)
		if err != nil || report.Corruptions+report.Leaks != 0 || empty != (report.AllocatedClusters == 0) {
			t.Fatalf("%+v (%v)", report, err)
		}
		scribble(t, rnd, m, l.content, 4096)
		if !bytes.Equal(diskBytes(t, m), l.content) {
			t.Fatal("the image is not writable after the commit")
		}
		got := base.Bytes()
		if size := max(roundSector(old), int64(len(l.content))); roundSector(int64(len(got))) != size {
			t.Fatalf("the base has %d bytes, want %d", len(got), size)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func roundSector(n int64) int64 { return (n + 511) / 512 * 512 }

func TestCrashedCommitLosesNothing(t *testing.T) {
	rnd := oracle.Seed(t)
	for range 3 {
		l := newLayered(t, rnd, 1<<20)
		top, base := backendtest.NewCrash(l.file), backendtest.NewCrash(l.base)
		m, err := qedfile.New(top, &qedfile.Options{Backing: backing(base), Writable: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := qedfile.Commit(t.Context(), m.Backing().(qedfile.WritableDisk), m, &qedfile.CommitOptions{Empty: true}); err != nil {
			t.Fatal(err)
		}
		// The base is synced before the image is touched.
		for n := range base.Len() + 1 {
			shows(t, l.file, base.CrashAt(n, rnd), l.content, "crash while the base is written")
		}
		synced := base.Subset(base.Len(), func(int) bool { return false })
		for _, left := range everyCrash(top) {
			shows(t, left, synced, l.content, "crash while the image is emptied")
		}
		if n := top.Len(); n == 0 || top.Synced(n) != n {
			t.Errorf("%d changes of the image, of which %d are durable", n, top.Synced(n))
		}
	}
}

func TestCommitIsWhatQemuCommits(t *testing.T) {
	rnd := oracle.Seed(t)
	for range 4 {
		dir, other := t.TempDir(), t.TempDir()
		name := filepath.Join(dir, "top.qed")
		size := 1<<20 + 512*rnd.Int64N(8000)
		qemuCreate(t, filepath.Join(dir, "middle.qed"), size/2, "cluster_size=8192")
		qemuIO(t, "qed", filepath.Join(dir, "middle.qed"), randomIO(rnd, size/2, 8192, 6)...)
		qemuCreate(t, name, size, "cluster_size=4096", "-b", "middle.qed", "-F", "qed")
		qemuIO(t, "qed", name, randomIO(rnd, size, 4096, 6)...)
		want := qemuRaw(t, name)
		for _, f := range []string{"middle.qed", "top.qed"} {
			oracle.Run(t, "cp", filepath.Join(dir, f), other)
		}
		oracle.Run(t, "qemu-img", "commit", "-f", "qed", filepath.Join(other, "top.qed"))
		middle := filepath.Join(dir, "middle.qed")
		m, err := qedfile.Open(name, &qedfile.Options{Backing: func(qedfile.BackingRef) (qedfile.Disk, error) {
			return qedfile.Open(middle, &qedfile.Options{Writable: true, Backing: qedfile.AnyBacking(middle)})
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := qedfile.Commit(t.Context(), m.Backing().(qedfile.WritableDisk), m, nil); err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(qemuRaw(t, name), want) {
			t.Error("the image shows something else")
		}
		if !bytes.Equal(qemuRaw(t, middle), qemuRaw(t, filepath.Join(other, "middle.qed"))) {
			t.Error("the base differs from the one that qemu-img committed to")
		}
		oracle.Run(t, "qemu-img", "check", "-q", middle)
	}
}

func TestRebaseKeepsWhatTheImageShows(t *testing.T) {
	rnd := oracle.Seed(t)
	for range 30 {
		oldSize := rnd.Int64N(3<<20) - 1<<19
		l := newLayered(t, rnd, max(oldSize, -1))
		m := openIn(t, l.file, l.base, true)
		var base qedfile.Disk
		newBase, name := backend.NewMemory(nil), ""
		if rnd.IntN(4) > 0 {
			b := randomBytes(rnd, rnd.Int64N(3<<20))
			if rnd.IntN(2) == 0 {
				copy(b, l.base.Bytes()) // mostly the same
				scribbleBytes(rnd, b)
			}
			newBase, name = backend.NewMemory(b), "new.raw"
			base, _ = qedfile.NewRaw(newBase)
		}
		if err := qedfile.Rebase(t.Context(), m, base, name, &qedfile.RebaseOptions{Raw: true}); err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		h, err := qedfile.ReadHeader(l.file.Clone())
		if err != nil || h.BackingFile != name || name != "" && !h.BackingRaw() {
			t.Fatalf("%+v (%v)", h, err)
		}
		shows(t, l.file, newBase, l.content, "rebased")
	}
}

func scribbleBytes(rnd *rand.Rand, b []byte) {
	for range 5 {
		if len(b) > 0 {
			b[rnd.IntN(len(b))] ^= 1
		}
	}
}

func TestRebaseCopiesOnlyWhatDiffers(t *testing.T) {
	l := newLayered(t, rand.New(rand.NewPCG(3, 4)), 1<<20)
	m := openIn(t, l.file, l.base, true)
	before, err := m.Check(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	same, err := qedfile.NewRaw(l.base.Clone())
	if err != nil {
		t.Fatal(err)
	}
	if err := qedfile.Rebase(t.Context(), m, same, "same.raw", &qedfile.RebaseOptions{Raw: true}); err != nil {
		t.Fatal(err)
	}
	after, err := m.Check(t.Context(), nil)
	if err != nil || after.AllocatedClusters != before.AllocatedClusters || after.ZeroClusters != before.ZeroClusters {
		t.Errorf("%+v became %+v (%v)", before, after, err)
	}
	m.Close()
}

func TestCrashedRebaseKeepsTheContent(t *testing.T) {
	rnd := oracle.Seed(t)
	for _, name := range []string{"new.raw", string(bytes.Repeat([]byte("n"), 900))} {
		l := newLayered(t, rnd, 1<<20)
		newBase := backend.NewMemory(randomBytes(rnd, 1<<20))
		disk := backendtest.NewCrash(l.file)
		m := openIn(t, disk, l.base, true)
		base, err := qedfile.NewRaw(newBase)
		if err != nil {
			t.Fatal(err)
		}
		if err := qedfile.Rebase(t.Context(), m, base, name, &qedfile.RebaseOptions{Raw: true}); err != nil {
			t.Fatal(err)
		}
		for n := range disk.Len() + 1 {
			for _, left := range []*backend.Memory{disk.Prefix(n), disk.CrashAt(n, rnd)} {
				h, err := qedfile.ReadHeader(left)
				if err != nil {
					t.Fatal(err)
				}
				switch h.BackingFile {
				case "base.raw":
					shows(t, left, l.base, l.content, "crash before the new name")
				case name:
					shows(t, left, newBase, l.content, "crash after the new name")
				default:
					t.Fatalf("a crash left the backing file %q", h.BackingFile)
				}
			}
		}
	}
}

func TestQemuReadsWhatWasRebased(t *testing.T) {
	rnd := oracle.Seed(t)
	for range 4 {
		name := qemuChain(t, rnd)
		want := qemuRaw(t, name)
		next := filepath.Join(filepath.Dir(name), "next.raw")
		writeFile(t, next, randomBytes(rnd, rnd.Int64N(2*int64(len(want)))))
		m := openForWriting(t, name)
		f, err := backend.OpenFile(next, os.O_RDONLY, nil)
		if err != nil {
			t.Fatal(err)
		}
		base, err := qedfile.NewRaw(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := qedfile.Rebase(t.Context(), m, base, "next.raw", &qedfile.RebaseOptions{Raw: true}); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(m.Close(), base.Close()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(qemuRaw(t, name), want) {
			t.Error("qemu-img reads something else after the rebase")
		}
		qemuCheck(t, name, open(t, name).Header().ClusterSize)
	}
}
