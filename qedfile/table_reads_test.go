package qedfile_test

import (
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// A read at random in a disk whose tables are more than the cache holds reads
// 4 KiB of them at most, however small the clusters are.
func TestTablesThatExceedTheCacheAreReadInSmallPieces(t *testing.T) {
	const cluster, clusters, reads = 4096, 1 << 17, 500
	store := backend.NewMemory(nil)
	img, err := qedfile.CreateIn(store, clusters*cluster, &qedfile.CreateOptions{ClusterSize: cluster, TableSize: 16})
	if err != nil {
		t.Fatal(err)
	}
	for pos := int64(0); pos < clusters*cluster; pos += 32 << 20 { // one in each table
		if _, err := img.WriteAt([]byte("x"), pos); err != nil {
			t.Fatal(err)
		}
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	counter := backendtest.NewCounter(backend.NewMemory(store.Bytes()))
	img, err = qedfile.New(counter, &qedfile.Options{CacheBytes: clusters * 8 / 7})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	rng, p := oracle.Seed(t), make([]byte, 512)
	counter.Reset()
	for range reads {
		if _, err := img.ReadAt(p, rng.Int64N(clusters)*cluster+1024); err != nil {
			t.Fatal(err)
		}
	}
	if c := counter.Counts(); c.ReadBytes > (reads+16)*4096 || c.Reads < reads/2 {
		t.Errorf("%d reads of the disk are %d reads of %d bytes", reads, c.Reads, c.ReadBytes)
	}
}
