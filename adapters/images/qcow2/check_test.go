package qcow2_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/images/internal/imagetest"
	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/adapters/images/qcow2"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// qemuCheck is what "qemu-img check --output=json" prints.
type qemuCheck struct {
	Corruptions        int64 `json:"corruptions"`
	Leaks              int64 `json:"leaks"`
	CheckErrors        int64 `json:"check-errors"`
	TotalClusters      int64 `json:"total-clusters"`
	AllocatedClusters  int64 `json:"allocated-clusters"`
	FragmentedClusters int64 `json:"fragmented-clusters"`
	CompressedClusters int64 `json:"compressed-clusters"`
	ImageEnd           int64 `json:"image-end-offset"`
}

// TestCheckCountsAsQemuDoes damages images of random histories at random.
func TestCheckCountsAsQemuDoes(t *testing.T) {
	rnd, n := oracle.Seed(t), 30
	if oracle.Long() {
		n = 500
	}
	for i := range n {
		o := randomOptions(rnd)
		if o["cluster_size"] == "2097152" {
			o["cluster_size"] = "65536"
		}
		name := filepath.Join(t.TempDir(), "a.qcow2")
		size := int64(1+rnd.IntN(8)) << 20
		desc := create(t, name, size, o)
		for k := range 1 + rnd.IntN(3) {
			imagetest.QemuIO(t, "qcow2", name, history(rnd, size, o, 12)...)
			// Narrow counts do not suffice for the compressed parts of one cluster
			// and a snapshot of them.
			if o["data_file"] == "" && len(o["refcount_bits"]) > 1 && rnd.IntN(3) == 0 {
				oracle.Run(t, "qemu-img", "snapshot", "-c", fmt.Sprint("s", k), name)
			}
			if o["compat"] != "0.10" && rnd.IntN(4) == 0 {
				oracle.Run(t, "qemu-img", "bitmap", "--add", name, fmt.Sprint("b", k))
			}
		}
		if i%5 > 0 {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, damage(rnd, b), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		sameCheck(t, desc, name)
	}
}

// sameCheck compares our check of an image with qemu-img's.
func sameCheck(t *testing.T, desc, name string) {
	t.Helper()
	cmd := exec.Command(oracle.Tool(t, "qemu-img"), "check", "-f", "qcow2", "--output=json", name)
	var messages strings.Builder
	cmd.Stderr = &messages
	out, qemuErr := cmd.Output()
	f, err := backend.OpenFile(name, os.O_RDONLY, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r *layer.CheckReport
	var found []string
	m, err := qcow2.Open(f, &qcow2.Options{Alone: true})
	if err == nil {
		r, err = m.Check(t.Context(), &layer.CheckOptions{Found: func(f layer.Finding) error {
			found = append(found, f.Why)
			return nil
		}})
	}
	var want qemuCheck
	if json.Unmarshal(out, &want) != nil { // it could not check it, or not even open it
		if qemuErr == nil || err == nil && r.Clean() {
			t.Fatalf("%s: %+v, %v; qemu-img: %v\n%s", desc, r, err, qemuErr, messages.String())
		}
		return
	}
	if err != nil && strings.Contains(err.Error(), "is past the end of the file") {
		return // QEMU reads zeroes there and finds an empty disk; an image that is cut off is refused here
	}
	if err != nil {
		t.Fatalf("%s: %v; qemu-img: %+v\n%s", desc, err, want, messages.String())
	}
	if strings.Contains(messages.String(), "Table is not cluster aligned") {
		if r.Corruptions == 0 { // such tables are not looked into
			t.Fatalf("%s: %+v", desc, r)
		}
		return
	}
	if got := qemuCheck(*r); got != want {
		t.Fatalf("%s:\n got %+v, %.2000q\nwant %+v\n%.3000s", desc, got, found, want, messages.String())
	}
}

// damage changes bits of tables, and where they lead to.
func damage(rnd *rand.Rand, b []byte) []byte {
	be := binary.BigEndian
	cluster := int64(1) << be.Uint32(b[20:])
	l1, entries, refcounts := int64(be.Uint64(b[40:])), int64(be.Uint32(b[36:])), int64(be.Uint64(b[48:]))
	word := func(at int64) []byte {
		if at < 0 || at+8 > int64(len(b)) {
			return make([]byte, 8)
		}
		return b[at:]
	}
	flip := func(p []byte, bits ...int) { be.PutUint64(p, be.Uint64(p)^1<<bits[rnd.IntN(len(bits))]) }
	for range 1 + rnd.IntN(4) {
		l1Entry := func() []byte { return word(l1 + 8*rnd.Int64N(max(1, entries))) }
		l2 := int64(be.Uint64(l1Entry()) & 0x00fffffffffffe00)
		l2Entry := func() []byte { return word(l2 + 8*rnd.Int64N(cluster/8)) }
		switch rnd.IntN(7) {
		case 0:
			flip(l1Entry(), 0, 3, 9, 16, 20, 40, 60, 63)
		case 1:
			flip(l2Entry(), 0, 1, 5, 9, 12, 16, 18, 22, 45, 57, 62, 63)
		case 2:
			p := word(refcounts + 8*rnd.Int64N(2))
			flip(p, 0, 9, 12, 16, 50)
		case 3:
			word(int64(be.Uint64(word(refcounts))) + rnd.Int64N(min(cluster-8, int64(len(b))/cluster*8+8)))[0] ^= 1 << rnd.IntN(8)
		case 4:
			copy(l2Entry()[:8], l2Entry())
		case 5:
			copy(l1Entry()[:8], l1Entry())
		default:
			b = b[:max(len(b)*3/4, len(b)-rnd.IntN(int(4*cluster)))]
		}
	}
	return b
}

// checked is the check of an image in memory.
func checked(t *testing.T, b []byte, opts *layer.CheckOptions) (*layer.CheckReport, error) {
	t.Helper()
	m, err := qcow2.Open(backend.NewMemory(b), &qcow2.Options{Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	return m.Check(t.Context(), opts)
}

// written is an image with 3 clusters of data: the header, the L1 table, the
// data, the L2 table, the refcount table and one block of counts.
func written(t *testing.T) []byte {
	t.Helper()
	disk := make([]byte, 1<<20)
	for _, at := range []int{0, 4096, 1<<20 - 1} {
		disk[at] = 1
	}
	f := backend.NewMemory(nil)
	if err := qcow2.Write(t.Context(), f, memoryDisk(t, disk), &qcow2.WriteOptions{ClusterSize: 4096}); err != nil {
		t.Fatal(err)
	}
	size, _ := f.Size()
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCheckOfWhatWasWrittenIsClean(t *testing.T) {
	r, err := checked(t, written(t), nil)
	want := layer.CheckReport{TotalClusters: 256, AllocatedClusters: 3, FragmentedClusters: 0, ImageEnd: 8 * 4096}
	if err != nil || *r != want {
		t.Errorf("%+v, %v; want %+v", r, err, want)
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	be := binary.BigEndian
	const l1, l2, table, block = 1 * 4096, 5 * 4096, 6 * 4096, 7 * 4096
	for _, c := range []struct {
		name                       string
		change                     func(b []byte)
		corruptions, leaks, errors int64
		why                        string
	}{
		{"leak", func(b []byte) { b[block+2*6+1] = 2 }, 0, 1, 0, "cluster 6"},
		{"count too low", func(b []byte) { b[block+2*2+1] = 0 }, 2, 0, 0, "has 0 references"},
		{"two entries, one cluster", func(b []byte) { copy(b[l2+8:l2+16], b[l2:l2+8]) }, 1, 1, 0, "cluster 2"},
		{"reserved bit of L1", func(b []byte) { b[l1+7] |= 1 }, 1, 0, 0, "the L1 table: entry 0"},
		{"reserved bit of L2", func(b []byte) { b[l2+7] |= 2 }, 1, 0, 0, "entry 0 is 0x8000000000002002: reserved"},
		{"reserved bit of refcount table", func(b []byte) { b[table+7] |= 1 }, 1, 1, 0, "the refcount table: entry 0"},
		{"unaligned L2", func(b []byte) { b[l1+6] |= 2 }, 2, 3, 0, "not at a multiple"},
		{"unaligned block", func(b []byte) { b[table+6] |= 2 }, 1, 0, 8, "clusters 0 to 7"},
		{"data past the end", func(b []byte) { be.PutUint64(b[l2:], 1<<63|1<<30) }, 2, 1, 0, "past the end"},
		{"flag for one reference", func(b []byte) { b[l2] &^= 0x80 }, 1, 0, 0, "its cluster has 1 references"},
	} {
		b := written(t)
		c.change(b)
		var why []string
		r, err := checked(t, b, &layer.CheckOptions{Found: func(f layer.Finding) error {
			why = append(why, f.Why)
			return nil
		}})
		if err != nil || r.Corruptions != c.corruptions || r.Leaks != c.leaks || r.CheckErrors != c.errors || !strings.Contains(strings.Join(why, "\n"), c.why) {
			t.Errorf("%s: %+v, %v, %q", c.name, r, err, why)
		}
	}
}

func TestCheckEndsWithTheErrorOfFoundOrOfTheContext(t *testing.T) {
	b := written(t)
	b[7*4096+2*6+1] = 2
	stop := errors.New("stop")
	if _, err := checked(t, b, &layer.CheckOptions{Found: func(layer.Finding) error { return stop }}); err != stop {
		t.Errorf("%v", err)
	}
	m, err := qcow2.Open(backend.NewMemory(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Check(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestCheckReadsEachTableOnce has all entries of an L1 table lead to one L2
// table.
func TestCheckReadsEachTableOnce(t *testing.T) {
	const size, cluster = 64 << 40, 2 << 20
	f := backend.NewMemory(nil)
	if err := qcow2.Write(t.Context(), f, layer.New(unallocated{}, size, nil), &qcow2.WriteOptions{ClusterSize: cluster}); err != nil {
		t.Fatal(err)
	}
	end, _ := f.Size()
	var head [72]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		t.Fatal(err)
	}
	l1, entries := int64(binary.BigEndian.Uint64(head[40:])), binary.BigEndian.Uint32(head[36:])
	table := make([]byte, 8*entries)
	for i := range entries {
		binary.BigEndian.PutUint64(table[8*i:], uint64(end))
	}
	if _, err := f.WriteAt(table, l1); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(end + cluster); err != nil {
		t.Fatal(err)
	}
	counter := &readBytes{Reader: f}
	m, err := qcow2.Open(counter, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := m.Check(t.Context(), nil)
	if err != nil || r.Corruptions == 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if counter.n > 2*(end+cluster) {
		t.Errorf("%d bytes were read of a file of %d", counter.n, end+cluster)
	}
}

type unallocated struct{}

func (unallocated) Run(_, limit int64) (layer.Run, error) {
	return layer.Run{Kind: qedfile.Unallocated, Length: limit, Offset: -1}, nil
}

// readBytes counts the bytes that are read.
type readBytes struct {
	backend.Reader
	n int64
}

func (r *readBytes) ReadAt(p []byte, off int64) (int, error) {
	r.n += int64(len(p))
	return r.Reader.ReadAt(p, off)
}
