package qemuio_test

import (
	"context"
	"os"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/examples/qed/internal/qemuio"
	"github.com/qedfs/qedfs/qedfile"
)

func Example() {
	s := &qemuio.Session{
		Out: os.Stdout,
		Err: os.Stderr,
		Open: func(string, qemuio.OpenOptions) (*qemuio.Device, error) {
			img, err := qedfile.CreateIn(backend.NewMemory(nil), 1<<20, nil)
			return &qemuio.Device{Disk: img, Writable: img, Format: "qed", ClusterSize: 64 << 10}, err
		},
	}
	if err := s.OpenFile("disk.qed", qemuio.OpenOptions{}); err != nil {
		return
	}
	defer s.Close()
	for _, line := range []string{"write -q -P 0x51 100k 4", "read -qv -P 0x51 100k 4", "map"} {
		s.Run(context.Background(), line)
	}
	// Output:
	// 64 KiB (0x10000) bytes not allocated at offset 0 bytes (0x0)
	// 64 KiB (0x10000) bytes     allocated at offset 64 KiB (0x10000)
	// 896 KiB (0xe0000) bytes not allocated at offset 128 KiB (0x20000)
}
