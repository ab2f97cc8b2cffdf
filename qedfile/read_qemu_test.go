package qedfile_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

func TestImagesOfQemuReadAsQemuReadsThem(t *testing.T) {
	rnd := oracle.Seed(t)
	for cluster := int64(4 << 10); cluster <= 64<<20; cluster *= 2 {
		for table := int64(2); table <= 16; table *= 2 {
			if wrapsInQemu(cluster, table) {
				continue
			}
			if !oracle.Long() && rnd.IntN(3) > 0 {
				continue
			}
			t.Run(fmt.Sprintf("clusters of %d, tables of %d", cluster, table), func(t *testing.T) {
				size := min(max(40*cluster, 8<<20), 160<<20) + 512*rnd.Int64N(200)
				name := filepath.Join(t.TempDir(), "a.qed")
				qemuCreate(t, name, size, fmt.Sprintf("cluster_size=%d,table_size=%d", cluster, table))
				qemuIO(t, "qed", name, randomIO(rnd, size, cluster, 12)...)
				m := open(t, name)
				compareDisk(t, rnd, m, qemuRaw(t, name))
				compareMaps(t, ourMap(t, m), qemuMap(t, name))
			})
		}
	}
}

// wrapsInQemu reports whether qemu computes 0 for the largest size.
func wrapsInQemu(cluster, table int64) bool {
	entries := uint64(cluster * table / 8)
	return entries*entries*uint64(cluster) == 0 || entries*entries > 1<<63/uint64(cluster)
}

func TestBackingChainsReadAsQemuReadsThem(t *testing.T) {
	rnd := oracle.Seed(t)
	const mid = 6 << 20
	shapes := []struct {
		name      string
		base      int64 // bytes of the raw file at the bottom
		mid       int64 // of the QED image above it, 0 for none
		top       int64
		baseProbe bool
	}{
		{"raw of the same size", 4 << 20, 0, 4 << 20, true},
		{"raw that is shorter", 3 << 20, 0, 6 << 20, true},
		{"raw of odd length", 3<<20 + 777, 0, 6 << 20, true},
		{"raw that ends within a cluster", 1<<20 + 512, 0, 2 << 20, true},
		{"raw that is longer", 9 << 20, 0, 5<<20 + 512, true},
		{"raw by NO_PROBE", 4 << 20, 0, 4 << 20, false},
		{"chain, shorter below", 2 << 20, 4 << 20, mid, true},
		{"chain, longer below", 9 << 20, 7 << 20, mid, false},
		{"chain, short in the middle", 9 << 20, 3 << 20, mid, true},
		{"empty base", 0, 0, 1 << 20, true},
	}
	for _, shape := range shapes {
		t.Run(shape.name, func(t *testing.T) {
			dir := t.TempDir()
			base := filepath.Join(dir, "base.img")
			writeSparse(t, base, shape.base)
			below, format := "base.img", "raw"
			if shape.mid > 0 {
				name := filepath.Join(dir, "mid.qed")
				qemuCreate(t, name, shape.mid, "cluster_size=16k", "-b", below, "-F", format)
				qemuIO(t, "qed", name, randomIO(rnd, shape.mid, 16<<10, 8)...)
				below, format = "mid.qed", "qed"
			}
			name := filepath.Join(dir, "top.qed")
			qemuCreate(t, name, shape.top, "", "-b", below, "-F", format)
			if shape.baseProbe && shape.mid == 0 {
				clearNoProbe(t, name)
			}
			qemuIO(t, "qed", name, randomIO(rnd, shape.top, 64<<10, 6)...)
			m := open(t, name)
			compareDisk(t, rnd, m, qemuRaw(t, name))
			if shape.base%512 == 0 { // qemu-img maps an incomplete sector in two
				compareMaps(t, ourMap(t, m), qemuMap(t, name))
			}
		})
	}
}

// writeSparse makes a file whose every other 256 KiB is a hole.
func writeSparse(t *testing.T, name string, size int64) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	for off := int64(0); off < size; off += 512 << 10 {
		b := make([]byte, min(256<<10, size-off))
		for i := range b {
			b[i] = byte(i>>9) | 1
		}
		if _, err := f.WriteAt(b, off); err != nil {
			t.Fatal(err)
		}
	}
}

// clearNoProbe makes an image leave the format of its backing file open.
func clearNoProbe(t *testing.T, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{byte(qedfile.FeatureBacking)}, 16); err != nil {
		t.Fatal(err)
	}
}

func TestWriteToWritesTheDiskWithHoles(t *testing.T) {
	rnd := oracle.Seed(t)
	name := filepath.Join(t.TempDir(), "a.qed")
	const size = 64<<20 + 512
	qemuCreate(t, name, size, "")
	qemuIO(t, "qed", name, randomIO(rnd, 32<<20, 64<<10, 10)...)
	m := open(t, name)
	want := qemuRaw(t, name)

	t.Run("into a file", func(t *testing.T) {
		f, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := m.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(f, m); n != size || err != nil {
			t.Fatalf("Copy = %d, %v", n, err)
		}
		got, err := os.ReadFile(f.Name())
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("the file differs from the disk (%v)", err)
		}
		if at, _ := f.Seek(0, io.SeekCurrent); at != size {
			t.Errorf("offset of the file is %d, want %d", at, size)
		}
	})
	t.Run("into a stream, from an offset", func(t *testing.T) {
		var out bytes.Buffer
		if _, err := m.Seek(12345, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(&out, m); n != size-12345 || err != nil {
			t.Fatalf("Copy = %d, %v", n, err)
		}
		if !bytes.Equal(out.Bytes(), want[12345:]) {
			t.Fatal("the stream differs from the disk")
		}
	})
	t.Run("over what a file holds", func(t *testing.T) {
		f, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(bytes.Repeat([]byte{7}, size), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(f, m); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(f.Name())
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("old bytes of the file are left (%v)", err)
		}
	})
}
