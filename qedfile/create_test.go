package qedfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

func TestNewImagesAreThoseOfQemuByteForByte(t *testing.T) {
	for cluster := int64(4 << 10); cluster <= 1<<20; cluster *= 4 {
		for _, table := range []int64{1, 2, 4, 16} {
			for _, size := range []int64{0, 1, 1000, 10 << 20, 12345678} {
				dir := t.TempDir()
				theirs, ours := filepath.Join(dir, "theirs.qed"), filepath.Join(dir, "ours.qed")
				qemuCreate(t, theirs, size, fmt.Sprintf("cluster_size=%d,table_size=%d", cluster, table))
				m, err := qedfile.Create(ours, size, &qedfile.CreateOptions{ClusterSize: cluster, TableSize: table})
				if err != nil {
					t.Fatal(err)
				}
				if err := m.Close(); err != nil {
					t.Fatal(err)
				}
				sameFiles(t, ours, theirs)
			}
		}
	}
}

func sameFiles(t *testing.T, ours, theirs string) {
	t.Helper()
	a, err := os.ReadFile(ours)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if len(a) != len(b) {
		t.Fatalf("%d bytes, qemu-img makes %d", len(a), len(b))
	}
	if i := firstDifference(a, b); i >= 0 {
		t.Fatalf("byte %d is %#x, qemu-img has %#x", i, a[i], b[i])
	}
}

func TestNewImagesOverABackingFileAreThoseOfQemu(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("base.raw"), make([]byte, 3<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	qemuCreate(t, at("base.qed"), 5<<20, "")
	for _, test := range []struct {
		file, format string
		size         int64
	}{
		{"base.raw", "raw", 3 << 20},
		{"base.qed", "qed", 5 << 20},
	} {
		theirs, ours := at("theirs-"+test.format), at("ours-"+test.format)
		oracle.Run(t, "qemu-img", "create", "-q", "-f", "qed", "-b", test.file, "-F", test.format, theirs)
		m, err := qedfile.Create(ours, 0, &qedfile.CreateOptions{
			SizeOfBacking: true, BackingFile: test.file, BackingRaw: test.format == "raw",
			Backing: qedfile.SiblingBacking(ours),
		})
		if err != nil {
			t.Fatal(err)
		}
		if m.Size() != test.size {
			t.Errorf("size %d, want %d", m.Size(), test.size)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, ours, theirs)
	}
}

func TestCreateRefusesWhatNoImageCanBe(t *testing.T) {
	for _, test := range []struct {
		name string
		size int64
		opts qedfile.CreateOptions
		why  string
	}{
		{"clusters too small", 0, qedfile.CreateOptions{ClusterSize: 2048}, "cluster size 2048"},
		{"clusters too large", 0, qedfile.CreateOptions{ClusterSize: 128 << 20}, "cluster size"},
		{"clusters of an odd size", 0, qedfile.CreateOptions{ClusterSize: 12288}, "cluster size 12288"},
		{"tables too large", 0, qedfile.CreateOptions{TableSize: 32}, "table size 32"},
		{"tables of an odd size", 0, qedfile.CreateOptions{TableSize: 3}, "table size 3"},
		{"a negative size", -5, qedfile.CreateOptions{}, "-5 bytes"},
		{"more than the geometry addresses", 1<<34 + 1, qedfile.CreateOptions{ClusterSize: 4096}, "beyond the 17179869184"},
		{"a name too long for old versions of qemu", 0, qedfile.CreateOptions{BackingFile: strings.Repeat("x", 1024)}, "1024 bytes"},
		{"a name with a zero byte", 0, qedfile.CreateOptions{BackingFile: "a\x00b"}, "NUL"},
		{"a backing file that may not be opened", 0, qedfile.CreateOptions{BackingFile: "/etc/passwd"}, "not allowed"},
		{"no size at all", 0, qedfile.CreateOptions{SizeOfBacking: true}, "neither a size"},
		{"two sizes", 512, qedfile.CreateOptions{SizeOfBacking: true}, "a size of 512 bytes and"},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "new.qed")
			m, err := qedfile.Create(name, test.size, &test.opts)
			if err == nil || m != nil || !strings.Contains(err.Error(), test.why) {
				t.Errorf("error %v, want one with %q", err, test.why)
			}
			if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a file is left (%v)", err)
			}
		})
	}
}

func TestCreateReplacesNothing(t *testing.T) {
	name := filepath.Join(t.TempDir(), "old")
	if err := os.WriteFile(name, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := qedfile.Create(name, 1<<20, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v", err)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "precious" {
		t.Errorf("the file holds %q (%v)", b, err)
	}
	mem := backend.NewMemory([]byte("precious"))
	if _, err := qedfile.CreateIn(mem, 1<<20, nil); err == nil || !bytes.Equal(mem.Bytes(), []byte("precious")) {
		t.Errorf("error %v, the storage holds %q", err, mem.Bytes())
	}
}

func TestCrashedCreateLeavesAnEmptyImageOrNone(t *testing.T) {
	rnd := oracle.Seed(t)
	disk := backendtest.NewCrash(nil)
	opts := &qedfile.CreateOptions{BackingFile: strings.Repeat("n", 1000), BackingRaw: true}
	opts.Backing = backing(backend.NewMemory(nil))
	m, err := qedfile.CreateIn(disk, 1<<20, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	images := 0
	for n := range disk.Len() + 1 {
		for range 20 {
			h, err := qedfile.ReadHeader(disk.CrashAt(n, rnd))
			if errors.Is(err, qedfile.ErrFormat) {
				continue
			}
			if err != nil || h.BackingFile != opts.BackingFile || h.ImageSize != 1<<20 {
				t.Fatalf("crash at %d: %+v (%v)", n, h, err)
			}
			images++
		}
	}
	if images == 0 {
		t.Error("no state was an image")
	}
}
