package qemuio_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/examples/qed/internal/qemuio"
	"github.com/qedfs/qedfs/qedfile"
)

// FuzzSession runs whatever lines on a small disk in memory: no line may
// panic, hang, or write outside the disk. Lines that may sleep, name files or
// make the disk larger than memory are left out.
func FuzzSession(f *testing.F) {
	lists, err := os.ReadFile("testdata/commands.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(lists)) {
		f.Add(strings.ReplaceAll(line, "|", "\n"))
	}
	f.Fuzz(func(t *testing.T, lines string) {
		const size = 1 << 20
		raw, err := qedfile.NewRaw(backend.NewMemory(make([]byte, size)))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		s := &qemuio.Session{
			Out: &out, Err: &out, Complain: func(error) {},
			Open: func(string, qemuio.OpenOptions) (*qemuio.Device, error) {
				return &qemuio.Device{Disk: raw, Writable: raw, Format: "raw"}, nil
			},
		}
		if err := s.OpenFile("disk", qemuio.OpenOptions{}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(lines) {
			if strings.Contains(line, "s") || strings.HasPrefix(strings.TrimLeft(line, " "), "t") {
				continue
			}
			s.Run(context.Background(), strings.TrimSuffix(line, "\n"))
		}
		if err := s.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
}
