package qedfile

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// fullImage makes the tables of an image with n clusters, in the order of the
// disk or in none. The data is a hole.
func fullImage(b *testing.B, n int64, fragmented bool) string {
	b.Helper()
	h, err := (*CreateOptions)(nil).header(n * DefaultClusterSize)
	if err != nil {
		b.Fatal(err)
	}
	name := filepath.Join(b.TempDir(), "full.qed")
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	tables := divideUp(n, h.entries())
	first := 1 + h.TableSize*(1+tables)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	if fragmented {
		order = rand.New(rand.NewPCG(1, 1)).Perm(int(n))
	}
	l1, l2 := make([]byte, tables*entrySize), make([]byte, n*entrySize)
	for i := range tables {
		binary.LittleEndian.PutUint64(l1[i*entrySize:], uint64((1+h.TableSize*(1+i))*h.ClusterSize))
	}
	for i, at := range order {
		binary.LittleEndian.PutUint64(l2[i*entrySize:], uint64((first+int64(at))*h.ClusterSize))
	}
	header := h.encode()
	for off, part := range map[int64][]byte{0: header[:], h.L1TableOffset: l1, (1 + h.TableSize) * h.ClusterSize: l2} {
		if _, err := f.WriteAt(part, off); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Truncate((first + n) * h.ClusterSize); err != nil {
		b.Fatal(err)
	}
	return name
}

func BenchmarkCheck(b *testing.B) {
	for _, fragmented := range []bool{false, true} {
		name := "in order"
		if fragmented {
			name = "fragmented"
		}
		b.Run(name, func(b *testing.B) {
			qemu := oracle.Tool(b, "qemu-img")
			file := fullImage(b, 1_000_000, fragmented)
			var ours, theirs time.Duration
			for b.Loop() {
				start := time.Now()
				m, err := Open(file, nil)
				if err != nil {
					b.Fatal(err)
				}
				report, err := m.Check(b.Context(), nil)
				if err != nil || report.AllocatedClusters != 1_000_000 || report.Corruptions+report.Leaks != 0 {
					b.Fatalf("%+v (%v)", report, err)
				}
				m.Close()
				ours += time.Since(start)
				b.StopTimer()
				start = time.Now()
				if out, _ := exec.Command(qemu, "check", file).CombinedOutput(); len(out) == 0 {
					b.Fatal("qemu-img check says nothing")
				}
				theirs += time.Since(start)
				b.StartTimer()
			}
			b.ReportMetric(float64(ours)/float64(theirs), "x-qemu-img")
		})
	}
}
