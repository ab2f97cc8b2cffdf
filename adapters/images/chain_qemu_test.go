package images_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/adapters/images/internal/imagetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// TestChainsOfSeveralFormats stacks QED and qcow2 images over each other and
// over a raw file, of sizes that differ.
func TestChainsOfSeveralFormats(t *testing.T) {
	rnd := oracle.Seed(t)
	oracle.Tool(t, "qemu-img")
	n := 10
	if testing.Short() {
		n = 4
	}
	if oracle.Long() {
		n = 100
	}
	for range n {
		dir := t.TempDir()
		below, format := "base.raw", "raw"
		base := make([]byte, 512*rnd.IntN(4000))
		for i := range base {
			base[i] = byte(i>>9) | 1
		}
		if err := os.WriteFile(filepath.Join(dir, below), base, 0o666); err != nil {
			t.Fatal(err)
		}
		name := ""
		for i := range 1 + rnd.IntN(4) {
			size := 4096 + 512*rnd.Int64N(4000)
			next, options := randomLayer(rnd)
			name = fmt.Sprintf("%d.%s", i, next)
			path := filepath.Join(dir, name)
			args := []string{"create", "-q", "-f", next, "-o", options, "-b", below}
			args = append(args, "-F", format)
			oracle.Run(t, "qemu-img", append(args, path, fmt.Sprint(size))...)
			imagetest.QemuIO(t, next, path, imagetest.RandomIO(rnd, size, 4096, 10)...)
			below, format = name, next
		}
		imagetest.SameAsQemu(t, rnd, format, filepath.Join(dir, name))
		if t.Failed() {
			return
		}
	}
}

func randomLayer(rnd *rand.Rand) (format, options string) {
	layers := [][2]string{
		{"qed", "cluster_size=4k,table_size=2"},
		{"qed", "cluster_size=64k"},
		{"qcow2", "cluster_size=4k"},
		{"qcow2", "cluster_size=16k,extended_l2=on"},
		{"qcow2", "compat=0.10"},
	}
	l := layers[rnd.IntN(len(layers))]
	return l[0], l[1]
}
