package qedfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// halfFull makes an image of 512 MiB, half of which is written.
func halfFull(b *testing.B) (name string) {
	b.Helper()
	name = filepath.Join(b.TempDir(), "half.qed")
	qemuCreate(b, name, 512*mib, "")
	var writes []string
	for off := int64(0); off < 512; off += 64 {
		writes = append(writes, fmt.Sprintf("write -q -P 1 %dM 32M", off))
	}
	qemuIO(b, "qed", name, writes...)
	return name
}

// versus runs ours and qemu-img in turn, and reports the ratio of their times.
func versus(b *testing.B, ours func() error, args ...string) {
	b.Helper()
	oracle.Tool(b, "qemu-img")
	b.SetBytes(256 * mib)
	var us, them time.Duration
	for b.Loop() {
		start := time.Now()
		if err := ours(); err != nil {
			b.Fatal(err)
		}
		us += time.Since(start)
		b.StopTimer()
		start = time.Now()
		oracle.Run(b, "qemu-img", args...)
		them += time.Since(start)
		b.StartTimer()
	}
	b.ReportMetric(float64(us)/float64(them), "x-qemu-img")
}

// newFile opens an empty file in place of what was there.
func newFile(name string) (*backend.File, error) {
	return backend.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, nil)
}

func BenchmarkConvertToRaw(b *testing.B) {
	name := halfFull(b)
	ours, theirs := filepath.Join(b.TempDir(), "ours"), filepath.Join(b.TempDir(), "theirs")
	versus(b, func() error {
		f, err := newFile(ours)
		if err != nil {
			return err
		}
		dst, err := qedfile.NewRaw(f)
		if err != nil {
			return err
		}
		defer dst.Close()
		return qedfile.Convert(b.Context(), dst, open(b, name), nil)
	}, "convert", "-O", "raw", name, theirs)
}

func BenchmarkConvertToQED(b *testing.B) {
	raw := filepath.Join(b.TempDir(), "half.raw")
	oracle.Run(b, "qemu-img", "convert", "-O", "raw", halfFull(b), raw)
	ours, theirs := filepath.Join(b.TempDir(), "ours"), filepath.Join(b.TempDir(), "theirs")
	versus(b, func() error {
		in, err := backend.OpenFile(raw, os.O_RDONLY, nil)
		if err != nil {
			return err
		}
		src, err := qedfile.NewRaw(in)
		if err != nil {
			return err
		}
		defer src.Close()
		f, err := newFile(ours)
		if err != nil {
			return err
		}
		dst, err := qedfile.CreateIn(backend.Unsynced(f), src.Size(), nil)
		if err != nil {
			return err
		}
		if err := qedfile.Convert(b.Context(), dst, src, nil); err != nil {
			return err
		}
		return dst.Close()
	}, "convert", "-f", "raw", "-O", "qed", raw, theirs)
}

func BenchmarkCompare(b *testing.B) {
	name := halfFull(b)
	other := filepath.Join(b.TempDir(), "other.qed")
	oracle.Run(b, "cp", name, other)
	versus(b, func() error {
		c, err := qedfile.Compare(b.Context(), open(b, name), open(b, other), nil)
		if err == nil && c.Mismatch != qedfile.Identical {
			err = fmt.Errorf("they differ: %+v", c)
		}
		return err
	}, "compare", name, other)
}
