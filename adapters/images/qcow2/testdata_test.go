package qcow2_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/adapters/images/internal/imagetest"
	"github.com/qedfs/qedfs/adapters/images/qcow2"
	"github.com/qedfs/qedfs/qedfile"
)

const testdata = "../../../testdata/images/"

// testImages are the committed images.
func testImages(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob(testdata + "qcow2-*.qcow2")
	if err != nil || len(names) == 0 {
		t.Fatal("no images", err)
	}
	return names
}

func open(t testing.TB, name string, opts images.Options) *qcow2.Image {
	t.Helper()
	opts.Files = images.Siblings(name)
	d, err := images.Open(name, &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d.(*qcow2.Image)
}

// sum is the checksum of a disk's bytes, read in pieces of n bytes.
func sum(t testing.TB, d qedfile.Disk, n int64) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.CopyBuffer(h, io.NewSectionReader(d, 0, d.Size()), make([]byte, n)); err != nil {
		t.Error(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func wantSum(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name + ".sha256")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func TestCommittedImages(t *testing.T) {
	for _, name := range testImages(t) {
		base := strings.TrimSuffix(name, ".qcow2")
		t.Run(filepath.Base(base), func(t *testing.T) {
			m := open(t, name, images.Options{})
			for _, n := range []int64{777, 4096, 1 << 20} {
				if got, want := sum(t, m, n), wantSum(t, base); got != want {
					t.Errorf("read in pieces of %d bytes the disk has checksum %s, want %s", n, got, want)
				}
			}
			if strings.HasSuffix(base, "prealloc") {
				return // qemu-img looks for holes in the file, too
			}
			var want []imagetest.MapEntry
			b, err := os.ReadFile(base + ".map")
			if err == nil {
				err = json.Unmarshal(b, &want)
			}
			if err != nil {
				t.Fatal(err)
			}
			imagetest.CompareMaps(t, imagetest.Map(t, m), want)
		})
	}
}

func TestOneImageManyReaders(t *testing.T) {
	for _, name := range testImages(t) {
		m := open(t, name, images.Options{CacheBytes: 4096}) // a slice or two: they take each other's place
		want := wantSum(t, strings.TrimSuffix(name, ".qcow2"))
		var g sync.WaitGroup
		for n := range int64(8) {
			g.Go(func() {
				if got := sum(t, m, 1000+n*700); got != want {
					t.Errorf("%s: checksum %s, want %s", name, got, want)
				}
			})
		}
		g.Wait()
	}
}

func TestSnapshotsByNameAndID(t *testing.T) {
	name := testdata + "qcow2-snapshots"
	for _, c := range []struct{ asked, want string }{
		{"first", ".first"}, {"1", ".first"}, {"the second", ".second"}, {"2", ".second"},
	} {
		m := open(t, name+".qcow2", images.Options{Snapshot: c.asked})
		if got := sum(t, m, 1<<16); got != wantSum(t, name+c.want) {
			t.Errorf("snapshot %q has another checksum than qemu-img says", c.asked)
		}
	}
	if m := open(t, name+".qcow2", images.Options{Snapshot: "1"}); m.Size() != 500<<10 {
		t.Errorf("the first snapshot has %d bytes; it was made before the disk was enlarged", m.Size())
	}
	if _, err := images.Open(name+".qcow2", &images.Options{Snapshot: "third"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a snapshot that is not there: %v", err)
	}
}

func TestInfo(t *testing.T) {
	m := open(t, testdata+"qcow2-snapshots.qcow2", images.Options{})
	info, err := m.Info()
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Snapshots) != 2 || info.Snapshots[1].Name != "the second" || info.Snapshots[1].ID != "2" || info.Snapshots[0].DiskSize != 500<<10 {
		t.Errorf("snapshots are %+v", info.Snapshots)
	}
	details := make(map[string]any)
	for _, d := range info.Details {
		details[d.Key] = d.Value
	}
	b, err := json.Marshal(details["bitmaps"])
	if want := `[[{"Key":"flags","Value":["auto"]},{"Key":"name","Value":"written"},{"Key":"granularity","Value":4096}]]`; string(b) != want || err != nil {
		t.Errorf("bitmaps are %s, want %s", b, want)
	}
	if info.Dirty {
		t.Error("an image that was closed is called dirty")
	}
	info, err = open(t, testdata+"qcow2-dirty.qcow2", images.Options{}).Info()
	if err != nil || !info.Dirty {
		t.Errorf("an image whose writer was killed: %+v, %v", info, err)
	}
	info, err = open(t, testdata+"qcow2-chain.qcow2", images.Options{}).Info()
	if err != nil || info.BackingFile != "qcow2-middle.qed" || info.BackingFormat != "qed" {
		t.Errorf("a chain: %+v, %v", info, err)
	}
}

func TestNoFileIsOpenedUnlessAllowed(t *testing.T) {
	for _, name := range []string{"qcow2-chain", "qcow2-data-file"} {
		if _, err := images.Open(testdata+name+".qcow2", nil); !errors.Is(err, qedfile.ErrBackingDenied) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
