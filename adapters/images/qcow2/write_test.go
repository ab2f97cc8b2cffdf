package qcow2_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/adapters/images/internal/imagetest"
	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/adapters/images/qcow2"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// randomDisk is a disk with text, noise, and holes of many sizes.
func randomDisk(rnd *rand.Rand, size int) []byte {
	b := make([]byte, size)
	for at := 0; at < size; {
		n := 1 + rnd.IntN(1<<(4+rnd.IntN(15)))
		part := b[at:min(at+n, size)]
		switch rnd.IntN(4) {
		case 0: // a hole
		case 1:
			for i := range part {
				part[i] = byte(rnd.Uint32())
			}
		default:
			word := fmt.Appendf(nil, "%d is the number of this run. ", rnd.IntN(1000))
			for i := range part {
				part[i] = word[i%len(word)]
			}
		}
		at += n
	}
	return b
}

func randomWriteOptions(rnd *rand.Rand) *qcow2.WriteOptions {
	o := &qcow2.WriteOptions{
		ClusterSize: 512 << rnd.IntN(13), RefcountBits: 1 << rnd.IntN(7),
		Compression: qcow2.Compression(rnd.IntN(3)), ExtendedL2: rnd.IntN(3) == 0, LazyRefcounts: rnd.IntN(4) == 0,
		WriteOptions: layer.WriteOptions{Workers: 1 + rnd.IntN(4)},
	}
	if rnd.IntN(5) == 0 {
		o.Version, o.RefcountBits, o.ExtendedL2, o.LazyRefcounts = 2, 16, false, false
		if o.Compression == qcow2.Zstd {
			o.Compression = qcow2.Zlib
		}
	}
	if o.ClusterSize < 16<<10 {
		o.ExtendedL2 = false
	}
	return o
}

func memoryDisk(t *testing.T, b []byte) *qedfile.Raw {
	t.Helper()
	d, err := qedfile.NewRaw(backend.NewMemory(b))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rnd := oracle.Seed(t)
	for range 60 {
		o := randomWriteOptions(rnd)
		want := randomDisk(rnd, 512*rnd.IntN(6000))
		file := backend.NewMemory(nil)
		if err := qcow2.Write(context.Background(), file, memoryDisk(t, want), o); err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		m, err := qcow2.Open(file, nil)
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		imagetest.SameBytes(t, rnd, m, want)
		info, err := m.Info()
		if err != nil || info.ClusterSize != o.ClusterSize || info.Dirty {
			t.Errorf("%+v: info is %+v, %v", o, info, err)
		}
		if t.Failed() {
			t.Fatalf("%+v", o)
		}
	}
}

// checkClean fails unless qemu-img check finds nothing.
func checkClean(t *testing.T, name string) {
	t.Helper()
	if out, err := exec.Command(oracle.Tool(t, "qemu-img"), "check", "-f", "qcow2", name).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img check: %v\n%.2000s", err, out)
	}
}

func writeTo(t *testing.T, name string, src qedfile.Disk, o *qcow2.WriteOptions) {
	t.Helper()
	f, err := backend.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(qcow2.Write(context.Background(), f, src, o), f.Close()); err != nil {
		t.Fatalf("%+v: %v", o, err)
	}
}

func TestQemuFindsWhatIsWrittenCleanAndTheSame(t *testing.T) {
	oracle.Tool(t, "qemu-img")
	rnd := oracle.Seed(t)
	n := 25
	if testing.Short() {
		n = 8
	}
	if oracle.Long() {
		n = 300
	}
	for range n {
		o := randomWriteOptions(rnd)
		want := randomDisk(rnd, 512*rnd.IntN(20000))
		name := filepath.Join(t.TempDir(), "a.qcow2")
		writeTo(t, name, memoryDisk(t, want), o)
		checkClean(t, name)
		if !bytes.Equal(imagetest.QemuRaw(t, "qcow2", name), want) {
			t.Fatalf("%+v: qemu-img reads something else", o)
		}
		// QEMU goes on with it, and leaves it clean.
		if len(want) > 0 && rnd.IntN(3) == 0 {
			imagetest.QemuIO(t, "qcow2", name, imagetest.RandomIO(rnd, int64(len(want)), o.ClusterSize, 5)...)
			checkClean(t, name)
		}
		if t.Failed() {
			t.Fatalf("%+v", o)
		}
	}
}

func TestOverABackingFileOnlyWhatTheSourceStoresIsWritten(t *testing.T) {
	oracle.Tool(t, "qemu-img")
	rnd := oracle.Seed(t)
	for range 12 {
		o := randomWriteOptions(rnd)
		dir := t.TempDir()
		base, top, name := filepath.Join(dir, "base.raw"), filepath.Join(dir, "top.qed"), filepath.Join(dir, "a.qcow2")
		size := 64<<10 + 512*rnd.IntN(6000)
		if err := os.WriteFile(base, randomDisk(rnd, size-512*rnd.IntN(100)), 0o666); err != nil {
			t.Fatal(err)
		}
		oracle.Run(t, "qemu-img", "create", "-q", "-f", "qed", "-o", "cluster_size=4k", "-b", base, "-F", "raw", top, fmt.Sprint(size))
		imagetest.QemuIO(t, "qed", top, imagetest.RandomIO(rnd, int64(size), 4096, 12)...)
		src := imagetest.Open(t, "qed", top)
		o.BackingFile, o.BackingFormat = base, "raw"
		if o.ClusterSize < 2048 {
			o.ClusterSize = 2048 // the name has to fit
		}
		writeTo(t, name, src, o)
		checkClean(t, name)
		if !bytes.Equal(imagetest.QemuRaw(t, "qcow2", name), imagetest.QemuRaw(t, "qed", top)) {
			t.Fatalf("%+v: the overlay shows something else", o)
		}
		own := storedBytes(t, imagetest.Open(t, "qcow2", name).(qedfile.Layer), o.ClusterSize)
		if limit := storedBytes(t, src.(qedfile.Layer), o.ClusterSize); own > limit {
			t.Errorf("%+v: the overlay stores %d bytes, its source touches %d", o, own, limit)
		}
	}
}

// storedBytes is how much of a disk lies in clusters that a layer touches.
func storedBytes(t *testing.T, d qedfile.Layer, cluster int64) int64 {
	t.Helper()
	n, end := int64(0), int64(0)
	for e, err := range d.OwnExtents(0, d.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == qedfile.Unallocated {
			continue
		}
		from := max(end, e.Start/cluster*cluster)
		end = max(end, (e.Start+e.Length+cluster-1)/cluster*cluster)
		n += end - from
	}
	return n
}

func TestLargeSparseDisks(t *testing.T) {
	oracle.Tool(t, "qemu-img")
	dir := t.TempDir()
	raw, name := filepath.Join(dir, "a.raw"), filepath.Join(dir, "a.qcow2")
	oracle.Run(t, "qemu-img", "create", "-q", "-f", "raw", raw, "4T")
	imagetest.QemuIO(t, "raw", raw, "write -q -P 1 0 1M", "write -q -P 2 1T 70000", "write -q -P 3 4397912294400 133632")
	for _, o := range []*qcow2.WriteOptions{{}, {ClusterSize: 2 << 20}, {ExtendedL2: true, Compression: qcow2.Zstd}} {
		writeTo(t, name, imagetest.Open(t, "raw", raw), o)
		checkClean(t, name)
		oracle.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "qcow2", raw, name)
	}
	err := qcow2.Write(context.Background(), backend.NewMemory(nil), imagetest.Open(t, "raw", raw), &qcow2.WriteOptions{ClusterSize: 512})
	if !errors.Is(err, qedfile.ErrUnsupported) {
		t.Errorf("4 TiB in clusters of 512 bytes: %v", err)
	}
}

func TestOptionsThatDoNotGoTogether(t *testing.T) {
	for _, o := range []*qcow2.WriteOptions{
		{ClusterSize: 256}, {ClusterSize: 4 << 20}, {ClusterSize: 3000}, {Version: 4}, {RefcountBits: 3}, {RefcountBits: 128},
		{Version: 2, RefcountBits: 8}, {Version: 2, Compression: qcow2.Zstd}, {Version: 2, ExtendedL2: true}, {Version: 2, LazyRefcounts: true},
		{ClusterSize: 8 << 10, ExtendedL2: true}, {BackingFile: "a"},
		{BackingFile: string(bytes.Repeat([]byte("a"), 1024))},
	} {
		file := backend.NewMemory(nil)
		if err := qcow2.Write(context.Background(), file, memoryDisk(t, make([]byte, 512)), o); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%+v: %v", o, err)
		}
		if n, _ := file.Size(); n != 0 {
			t.Errorf("%+v: something was written", o)
		}
	}
}

func TestFailedWritesLeaveNoImage(t *testing.T) {
	src := memoryDisk(t, randomDisk(rand.New(rand.NewPCG(1, 1)), 1<<20))
	const clusterSize = 4096
	fail := errors.New("it fails")
	for n := 0; ; n++ {
		file := backend.NewMemory(nil)
		writes := 0
		err := qcow2.Write(context.Background(), failing{file, func() error {
			if writes++; writes > n {
				return fail
			}
			return nil
		}}, src, &qcow2.WriteOptions{ClusterSize: clusterSize, RefcountBits: 64, Compression: qcow2.Zlib, WriteOptions: layer.WriteOptions{Workers: 1}})
		if err == nil {
			if n < 10 {
				t.Errorf("only %d writes", n)
			}
			break
		}
		if !errors.Is(err, fail) {
			t.Fatalf("write %d fails: %v", n, err)
		}
		if _, err := qcow2.Open(file, nil); !errors.Is(err, qedfile.ErrFormat) {
			t.Fatalf("after write %d failed there is an image: %v", n, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := qcow2.Write(ctx, backend.NewMemory(nil), src, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is over: %v", err)
	}
}

// failing asks before each change.
type failing struct {
	backend.Storage
	ask func() error
}

func (f failing) WriteAt(p []byte, off int64) (int, error) {
	if err := f.ask(); err != nil {
		return 0, err
	}
	return f.Storage.WriteAt(p, off)
}

func (f failing) Truncate(n int64) error {
	if err := f.ask(); err != nil {
		return err
	}
	return f.Storage.Truncate(n)
}
