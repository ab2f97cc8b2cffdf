package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// tryEverything runs the subcommands on an image that may be anything. None
// may panic, outlive its context for long, or end in another way than its own.
func tryEverything(t *testing.T, image []byte) {
	t.Helper()
	for _, args := range [][]string{
		{"info", "x.qed"},
		{"info", "--backing-chain", "--output=json", "x.qed"},
		{"map", "x.qed"},
		{"map", "--svg", "-", "x.qed"},
		{"check", "-l", "x.qed"},
		{"measure", "-O", "qed", "x.qed"},
		{"compare", "x.qed", "x.qed"},
		{"convert", "-O", "qed", "x.qed", "y.qed"},
		{"compact", "x.qed", "y.qed"},
		{"io", "-r", "-c", "read -q 0 1M", "-c", "map", "x.qed"},
		{"check", "-r", "all", "--dry-run", "x.qed"},
		{"io", "-c", "write -q 100k 100k", "x.qed"},
		{"check", "-r", "all", "x.qed"},
		{"commit", "x.qed"},
	} {
		if err := os.WriteFile("x.qed", image, 0o666); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		began := time.Now()
		var stderr bytes.Buffer
		code := run(ctx, args, strings.NewReader(""), io.Discard, &stderr)
		cancel()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("qed %q takes %v", args, took)
		}
		switch code {
		case exitOK, exitFailed, exitCorrupt, exitLeaks, exitInterrupted:
		default:
			t.Errorf("qed %q: exit code %d: %s", args, code, &stderr)
		}
	}
}

// smallImage is a sound image over a backing file.
func smallImage(t *testing.T) []byte {
	for _, args := range [][]string{
		{"create", "-q", "-f", "raw", "base.raw", "300k"},
		{"create", "-q", "-b", "base.raw", "-F", "raw", "-o", "cluster_size=4k,table_size=1", "x.qed", "1M"},
		{"io", "-c", "write -q 10k 30k", "-c", "write -q -z 64k 64k", "-c", "write -q 900k 10k", "x.qed"},
	} {
		var stderr bytes.Buffer
		if code := run(t.Context(), args, nil, io.Discard, &stderr); code != exitOK {
			t.Fatalf("qed %q: %s", args, &stderr)
		}
	}
	b, err := os.ReadFile("x.qed")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMutatedImagesDoNoHarm(t *testing.T) {
	rng := oracle.Seed(t)
	t.Chdir(t.TempDir())
	sound := smallImage(t)
	mutations := 60
	if testing.Short() {
		mutations = 20
	}
	for range mutations {
		b := bytes.Clone(sound)
		for range 1 + rng.IntN(3) {
			// The header, an entry of a table, or anything.
			at := [...]int{rng.IntN(64), 4096 + rng.IntN(80), rng.IntN(len(b))}[rng.IntN(3)]
			b[at] = byte(rng.Uint32())
		}
		tryEverything(t, b[:len(b)-rng.IntN(2)*rng.IntN(len(b))])
	}
}

// Every entry of the first table leads to one second table, and every entry
// of that to one cluster: a file of some kilobytes shows gigabytes in a
// million pieces, if one is patient.
func TestAnImageOfEndlessPiecesCanBeInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	tryEverything(t, endlessImage())
}

func endlessImage() []byte {
	const cluster, table = 4096, 16
	b := make([]byte, cluster*(1+2*table+2))
	copy(b, "QED\x00")
	put := func(at int, v uint64) {
		for i := range 8 {
			b[at+i] = byte(v >> (8 * i))
		}
	}
	put(4, cluster|table<<32)
	put(12, 1)
	put(40, cluster)
	put(48, 1<<38)
	const l1, l2 = cluster, cluster * (1 + table)
	for i := range table * cluster / 8 {
		put(l1+8*i, l2)
		put(l2+8*i, uint64(cluster*(1+2*table+i%2)))
	}
	return b
}
