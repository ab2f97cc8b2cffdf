package qedfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/qedfs/qedfs/qedfile"
)

// overlayPattern writes alternating sectors, and two neighbouring clusters, to
// a base and an image over it, at the start and past 4 GiB.
func overlayPattern(t *testing.T) *qemuCase {
	t.Helper()
	io := newCase(t, 6*gib, nil)
	for _, off := range []int64{0, 4 * gib} {
		each(off, 1024, 64, func(off int64) { io.write(42, off, 512) })
		io.write(42, off+mib, 64*kib)
	}
	io.check()
	io.create("top.qed", 6*gib, over("test.qed", 0))
	for _, off := range []int64{0, 4 * gib} {
		each(off+512, 1024, 64, func(off int64) { io.write(43, off, 512) })
		io.write(43, off+mib+64*kib, 64*kib)
	}
	io.check()
	return io
}

// readOverlay reads what overlayPattern wrote.
func readOverlay(t *testing.T, d qedfile.Disk) {
	t.Helper()
	for _, off := range []int64{0, 4 * gib} {
		each(off, 1024, 64, func(off int64) { readPattern(t, d, 42, off, 512) })
		each(off+512, 1024, 64, func(off int64) { readPattern(t, d, 43, off, 512) })
		readPattern(t, d, 42, off+mib, 64*kib)
		readPattern(t, d, 43, off+mib+64*kib, 64*kib)
		readPattern(t, d, 0, off+mib+256*kib, 64*kib)
	}
}

func TestIotest017ReadsThroughToTheBackingFile(t *testing.T) {
	io := overlayPattern(t)
	readOverlay(t, io.m)
	io.check()
}

func TestIotest018ConvertMergesTheBackingFile(t *testing.T) {
	io := overlayPattern(t)
	src := io.name
	io.create("merged.qed", 6*gib, nil)
	if err := qedfile.Convert(t.Context(), io.m, open(t, src), nil); err != nil {
		t.Fatal(err)
	}
	io.check()
	if name := io.m.Header().BackingFile; name != "" {
		t.Errorf("the copy has the backing file %q", name)
	}
	readOverlay(t, io.m)
}

func TestIotest019ConvertOverTheSameBackingFileCopiesOneLayer(t *testing.T) {
	io := overlayPattern(t)
	src := io.name
	io.create("copy.qed", 6*gib, over("test.qed", 0))
	if err := qedfile.Convert(t.Context(), io.m, open(t, src), &qedfile.ConvertOptions{SameBacking: true}); err != nil {
		t.Fatal(err)
	}
	io.check()
	readOverlay(t, io.m)
	for _, off := range []int64{0, 4 * gib} {
		for e, err := range io.m.Extents(off+mib, 64*kib) {
			if err != nil || e.Depth != 1 {
				t.Errorf("%+v (%v) was copied, but the backing file has it", e, err)
			}
		}
	}
}

func TestIotest024RebasesWithoutAChange(t *testing.T) {
	// Clusters of the old and the new base and the image, twice:
	//
	//	old    11 -- 11 -- 11 -- 11 --
	//	new    22 22 -- -- 22 22 -- --
	//	image  33 33 33 33 -- -- -- --
	const cluster = 64 * kib
	io := newCase(t, gib, nil)
	each(0, 2*cluster, 8, func(off int64) { io.write(0x11, off, cluster) })
	io.create("new.qed", gib, nil)
	each(0, 4*cluster, 4, func(off int64) { io.write(0x22, off, 2*cluster) })
	io.create("image.qed", gib, over("test.qed", 0))
	each(0, 8*cluster, 2, func(off int64) { io.write(0x33, off, 4*cluster) })
	verify := func() {
		t.Helper()
		each(0, 8*cluster, 2, func(off int64) {
			io.read(0x33, off, 4*cluster)
			io.read(0x11, off+4*cluster, cluster)
			io.read(0, off+5*cluster, cluster)
			io.read(0x11, off+6*cluster, cluster)
			io.read(0, off+7*cluster, cluster)
		})
	}
	verify()
	if err := qedfile.Rebase(t.Context(), io.m, open(t, io.path("new.qed")), "new.qed", nil); err != nil {
		t.Fatal(err)
	}
	io.check()
	if name := io.m.Header().BackingFile; name != "new.qed" {
		t.Errorf("backing file %q", name)
	}
	verify()
}

func TestIotest024RebaseCopiesNothingThatIsTheSame(t *testing.T) {
	// Nothing is in the image, and the fourth cluster is the same in both.
	//
	//	old  11 11 -- 11
	//	new  -- 22 22 11
	const cluster = 64 * kib
	io := newCase(t, mib, nil)
	io.write(0x11, 0, 2*cluster)
	io.write(0x11, 3*cluster, cluster)
	io.create("new.qed", mib, nil)
	io.write(0x22, cluster, 2*cluster)
	io.write(0x11, 3*cluster, cluster)
	io.create("image.qed", mib, over("test.qed", 0))
	if err := qedfile.Rebase(t.Context(), io.m, open(t, io.path("new.qed")), "new.qed", nil); err != nil {
		t.Fatal(err)
	}
	io.check()
	io.read(0x11, 0, 2*cluster)
	io.read(0, 2*cluster, cluster)
	io.read(0x11, 3*cluster, cluster)
	for e, err := range io.m.Extents(3*cluster, cluster) {
		if err != nil || e.Depth != 1 {
			t.Errorf("%+v (%v) was copied, but is the same in both", e, err)
		}
	}
}

func TestIotest028AllowsASmallerBackingFile(t *testing.T) {
	size := 4*gib + 3*512 // not a whole number of clusters
	base := size - gib
	start := base - 32*kib
	io := newCase(t, base, nil)
	each(start, 1024, 32, func(off int64) { io.write(1, off, 512) })
	io.check()
	io.create("image.qed", size, over("test.qed", 0))
	each(start+512, 1024, 64, func(off int64) { io.write(2, off, 512) })
	verify := func(d qedfile.Disk) {
		t.Helper()
		each(start, 1024, 32, func(off int64) { readPattern(t, d, 1, off, 512) })
		each(start+512, 1024, 64, func(off int64) { readPattern(t, d, 2, off, 512) })
		each(start+32*kib, 1024, 32, func(off int64) { readPattern(t, d, 0, off, 512) })
		readPattern(t, d, 0, size-512, 512)
	}
	verify(io.m)
	io.check()
	if err := qedfile.Rebase(t.Context(), io.m, open(t, io.path("test.qed")), "test.qed", nil); err != nil {
		t.Fatal(err)
	}
	io.check()
	verify(io.m)
	copied, _ := newRaw(t)
	if err := qedfile.Convert(t.Context(), copied, io.m, nil); err != nil {
		t.Fatal(err)
	}
	verify(copied)
}

func TestIotest034ZeroesOverABackingFile(t *testing.T) {
	io := newCase(t, 128*mib, &qedfile.CreateOptions{ClusterSize: 4096})
	io.write(0x55, 0, mib)
	io.create("image.qed", 6*gib, over("test.qed", 4096))
	io.zero(64*kib, 192*kib)
	io.zero(513*kib, 13*kib)
	io.check()
	io.read(0x55, 0, 64*kib)
	io.read(0, 64*kib, 192*kib)
	io.read(0x55, 256*kib, 257*kib)
	io.read(0, 513*kib, 13*kib)
	io.read(0x55, 526*kib, 498*kib)

	io.write(0xa, 60*kib, 8*kib)
	io.write(0xb, 64*kib, 8*kib)
	io.write(0xc, 76*kib, 4*kib)
	io.write(0xd, 252*kib, 8*kib)
	io.write(0xe, 248*kib, 8*kib)
	io.write(0xf, 100*kib+512, 512) // a part of a zero cluster, which qemu 7.2 fills from the backing file
	io.check()
	io.read(0x55, 0, 60*kib)
	io.read(0xa, 60*kib, 4*kib)
	io.read(0xb, 64*kib, 8*kib)
	io.read(0, 72*kib, 4*kib)
	io.read(0xc, 76*kib, 4*kib)
	io.read(0, 80*kib, 20*kib+512)
	io.read(0xf, 100*kib+512, 512)
	io.read(0, 101*kib, 147*kib)
	io.read(0xe, 248*kib, 8*kib)
	io.read(0xd, 256*kib, 4*kib)
	io.read(0x55, 260*kib, 64*kib)

	io.zero(64*kib, 192*kib)
	io.check()
	io.read(0xa, 60*kib, 4*kib)
	io.read(0, 64*kib, 192*kib)
	io.read(0xd, 256*kib, 4*kib)
	io.read(0x55, 260*kib, 253*kib)
}

func TestIotest037CopiesTheRestOfAClusterFromTheBackingFile(t *testing.T) {
	io := newCase(t, 128*mib, &qedfile.CreateOptions{ClusterSize: 4096})
	sector := func(off int64) byte { return byte(off/512%256 + off/512/256) }
	each(0, 512, 256, func(off int64) { io.write(sector(off), off, 512) })
	io.create("image.qed", 6*gib, over("test.qed", 4096))
	writes := []struct {
		pattern byte
		off, n  int64
	}{
		{0x77, 0, 2 * kib}, {0x88, 6 * kib, 2 * kib}, {0x99, 9 * kib, 2 * kib}, // in one cluster
		{0x77, 16 * kib, 6 * kib}, {0x88, 26 * kib, 6 * kib}, {0x99, 33 * kib, 5 * kib}, // in two
		{0x77, 48 * kib, 15 * kib}, {0x88, 66 * kib, 14 * kib}, {0x99, 83 * kib, 15 * kib}, // in more
	}
	want := map[int64]byte{}
	for _, w := range writes {
		io.write(w.pattern, w.off, w.n)
		each(w.off, 512, int(w.n/512), func(off int64) { want[off] = w.pattern })
	}
	io.check()
	each(0, 512, 256, func(off int64) {
		pattern, written := want[off]
		if !written {
			pattern = sector(off)
		}
		io.read(pattern, off, 512)
	})
}

func TestIotest038WritesTheSameNewClusterAtOnce(t *testing.T) {
	const cluster = 2 * mib
	io := newCase(t, 32*mib, &qedfile.CreateOptions{ClusterSize: cluster})
	each(0, 64*kib, 256, func(off int64) { io.write(byte(off/(64*kib)%127), off, 64*kib) })
	io.create("image.qed", 6*gib, over("test.qed", cluster))
	var wait sync.WaitGroup
	for i := range int64(48) {
		wait.Go(func() {
			// 96 of every 128 KiB, in two requests that overlap.
			b := make([]byte, 64*kib)
			for k := range b {
				b[k] = byte(0x81 + i)
			}
			for _, off := range []int64{i * 128 * kib, i*128*kib + 32*kib} {
				if _, err := io.m.WriteAt(b, off); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	io.check()
	for i := range int64(48) {
		io.read(byte(0x81+i), i*128*kib, 96*kib)
		io.read(byte((i*2+1)%127), i*128*kib+96*kib, 32*kib)
	}
	io.read(byte(96%127), 6*mib, 64*kib)
}

func TestIotest043FindsLoopsOfBackingFiles(t *testing.T) {
	chain := func(t *testing.T, names ...string) *qemuCase {
		io := newCase(t, 128*mib, nil)
		below := "test.qed"
		for _, name := range names {
			io.create(name, 128*mib, over(below, 0))
			below = name
		}
		return io
	}
	pointTo := func(t *testing.T, name, base string) {
		m, err := qedfile.Open(name, &qedfile.Options{Writable: true, Backing: qedfile.AnyBacking(name)})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(m.SetBacking(base, nil), m.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name   string
		images []string
		change string // gets base as its backing file
		base   string
	}{
		{"an image over itself", nil, "test.qed", "test.qed"},
		{"a parent over its child", []string{"1.qed"}, "test.qed", "1.qed"},
		{"an ancestor over another", []string{"1.qed", "2.qed", "3.qed"}, "test.qed", "2.qed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			io := chain(t, test.images...)
			io.close()
			pointTo(t, io.path(test.change), test.base)
			for _, how := range []qedfile.BackingFunc{qedfile.AnyBacking(io.name), qedfile.SiblingBacking(io.name)} {
				if _, err := qedfile.Open(io.name, &qedfile.Options{Backing: how}); !errors.Is(err, qedfile.ErrBackingLoop) {
					t.Errorf("error %v", err)
				}
			}
		})
	}
	t.Run("a finite chain", func(t *testing.T) {
		io := chain(t, "1.qed", "2.qed")
		io.read(0, 0, mib)
	})
}

func TestIotest050RebaseKeepsZeroClusters(t *testing.T) {
	io := newCase(t, 10*mib, nil)
	io.write(0x40, 0, mib)
	io.create("new.qed", 10*mib, nil)
	io.write(0x5a, 0, mib)
	io.create("image.qed", 10*mib, over("test.qed", 0))
	io.zero(0, mib)
	if err := qedfile.Rebase(t.Context(), io.m, open(t, io.path("new.qed")), "new.qed", nil); err != nil {
		t.Fatal(err)
	}
	io.check()
	io.read(0, 0, mib)
}

func TestIotest110TakesNamesRelativeToTheImage(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	base := newCase(t, 64*mib, nil)
	base.write(7, 0, 512)
	base.close()
	b, err := os.ReadFile(base.name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sub", "base.qed"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, name := range []string{"sub/top.qed", filepath.Join(dir, "sub", "other.qed")} {
		opts := over("base.qed", 0)
		opts.Backing, opts.SizeOfBacking = qedfile.SiblingBacking(name), true
		m, err := qedfile.Create(name, 0, opts)
		if err != nil {
			t.Fatal(err)
		}
		if m.Size() != 64*mib {
			t.Errorf("size %d", m.Size())
		}
		readPattern(t, m, 7, 0, 512)
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestIotest111FailsWithoutTheBackingFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "top.qed")
	opts := over("missing.qed", 0)
	opts.Backing, opts.SizeOfBacking = qedfile.SiblingBacking(name), true
	if _, err := qedfile.Create(name, 0, opts); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file is left (%v)", err)
	}
}

func TestIotest126TellsColonsFromProtocols(t *testing.T) {
	io := newCase(t, 64*mib, nil)
	io.create("image:base.qed", 64*mib, nil)
	io.write(9, 0, 512)
	sized := over("./image:base.qed", 0)
	sized.SizeOfBacking = true
	io.create("image:top.qed", 0, sized)
	io.read(9, 0, 512)
	opts := over("image:base.qed", 0)
	name := io.path("other.qed")
	opts.Backing, opts.SizeOfBacking = qedfile.AnyBacking(name), true
	if _, err := qedfile.Create(name, 0, opts); !errors.Is(err, qedfile.ErrBackingDenied) {
		t.Errorf("a name like a protocol: error %v", err)
	}
}
