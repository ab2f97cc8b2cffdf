package guest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/guest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

// BenchmarkInspect opens a Debian system that debootstrap made and says what it
// is: at most 10 ms.
func BenchmarkInspect(b *testing.B) {
	dir := os.Getenv("QEDFS_DEBIAN_DISK")
	if dir == "" {
		b.Skip("QEDFS_DEBIAN_DISK is not set")
	}
	b.ReportAllocs()
	for b.Loop() {
		d, err := imagefs.Open(filepath.Join(dir, "debian.qed"), nil)
		if err != nil {
			b.Fatal(err)
		}
		systems, err := guest.Find(d)
		if err != nil {
			b.Fatal(err)
		}
		info, err := systems[0].Inspect()
		if err != nil || len(info.Packages) == 0 {
			b.Fatal(len(info.Packages), err)
		}
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
