package qedfile_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// eitherSectors checks that a disk has the size of before or of after, and that
// each of its sectors is as in one of them. A write that failed half done may
// have ended inside a sector.
func eitherSectors(t *testing.T, what string, got, before, after []byte) {
	t.Helper()
	if len(got) != len(before) && len(got) != len(after) {
		t.Fatalf("%s: the disk has %d bytes, want %d or %d", what, len(got), len(before), len(after))
	}
	for at := 0; at < len(got); at += 512 {
		sector := func(b []byte) []byte { return b[min(at, len(b)):min(at+512, len(b))] }
		s, was, is := sector(got), sector(before), sector(after)
		if bytes.Equal(s, was) || bytes.Equal(s, is) {
			continue
		}
		torn := false
		for k := 1; k < len(s) && k < min(len(was), len(is)); k++ {
			torn = torn || bytes.Equal(s[:k], is[:k]) && bytes.Equal(s[k:], was[k:])
		}
		if !torn {
			t.Fatalf("%s: the sector at %d is neither the old nor the new one", what, at)
		}
	}
}

// TestEachFaultOfEachChangeLeavesOldOrNewSectors fails every single call to the
// storage during every kind of change to an image.
func TestEachFaultOfEachChangeLeavesOldOrNewSectors(t *testing.T) {
	rng := oracle.Seed(t)
	l := newLayered(t, rng, 1<<20)
	size := len(l.content)
	grown := append(slices.Clone(l.content), make([]byte, 256<<10)...)
	fresh := randomBytes(rng, 50_000)
	with := func(off int, p []byte) []byte {
		b := slices.Clone(l.content)
		copy(b[off:], p)
		return b
	}
	for _, tt := range []struct {
		name  string
		after []byte
		work  func(*qedfile.Image) error
	}{
		{"write", with(5000, fresh), func(m *qedfile.Image) error { return second(m.WriteAt(fresh, 5000)) }},
		{"write at the end", with(size-50_000, fresh), func(m *qedfile.Image) error { return second(m.WriteAt(fresh, int64(size-50_000))) }},
		{"zero", with(12_000, make([]byte, 90_000)), func(m *qedfile.Image) error { return m.WriteZeroes(12_000, 90_000) }},
		{"discard", make([]byte, size), func(m *qedfile.Image) error { return m.Discard(0, int64(size)) }},
		{"grow", grown, func(m *qedfile.Image) error { return m.Resize(int64(len(grown))) }},
		{"shrink", l.content[:size/1024*512], func(m *qedfile.Image) error { return m.Resize(int64(size / 1024 * 512)) }},
		{"set the backing file", l.content, func(m *qedfile.Image) error { return m.SetBacking("another name", nil) }},
		{"check", l.content, func(m *qedfile.Image) error {
			report, err := m.Check(t.Context(), &qedfile.CheckOptions{Repair: qedfile.RepairAll, Found: func(f qedfile.Finding) error {
				return f.Err
			}})
			if err == nil && report.CheckErrors > 0 {
				return backendtest.ErrInjected // a table that cannot be read is told so
			}
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			failed := 0
			eachFault(t, l.file, func(s backend.Storage) error {
				return tryOpen(keepHoles{s}, keepOpen{l.base.Clone()}, tt.work)
			}, func(left *backend.Memory, err error) {
				failed++
				if !errors.Is(err, backendtest.ErrInjected) {
					t.Fatalf("the caller got %v", err)
				}
				m := openIn(t, left, l.base.Clone(), true)
				got := make([]byte, m.Size())
				if _, err := m.ReadAt(got, 0); err != nil && len(got) > 0 {
					t.Fatal(err)
				}
				eitherSectors(t, err.Error(), got, l.content, tt.after)
				if report, err := m.Check(t.Context(), nil); err != nil || report.Corruptions != 0 {
					t.Fatalf("%+v (%v)", report, err)
				}
			})
			if failed < 3 {
				t.Errorf("only %d calls failed", failed)
			}
		})
	}
}

// keepHoles is keepOpen for a storage that can make holes.
type keepHoles struct{ backend.Storage }

func (keepHoles) Close() error                   { return nil }
func (k keepHoles) PunchHole(off, n int64) error { return backend.PunchHole(k.Storage, off, n) }

// TestEachFaultOfANewImageLeavesAnImageOrNone fails every single call while an
// image is made and filled.
func TestEachFaultOfANewImageLeavesAnImageOrNone(t *testing.T) {
	content := randomBytes(oracle.Seed(t), 400_000)
	clear(content[100_000:200_000])
	content = content[:len(content)/512*512]
	src := rawOf(t, content)
	images := 0
	eachFault(t, backend.NewMemory(nil), func(s backend.Storage) error {
		m, err := qedfile.CreateIn(keepOpen{s}, int64(len(content)), &qedfile.CreateOptions{ClusterSize: 4096, TableSize: 1})
		if err != nil {
			return err
		}
		return errors.Join(qedfile.Convert(t.Context(), m, src, &qedfile.ConvertOptions{Workers: 1}), m.Close())
	}, func(left *backend.Memory, err error) {
		if !errors.Is(err, backendtest.ErrInjected) {
			t.Fatalf("the caller got %v", err)
		}
		m, openErr := qedfile.New(left, writable)
		if errors.Is(openErr, qedfile.ErrFormat) {
			return
		}
		if openErr != nil {
			t.Fatalf("%v after %v", openErr, err)
		}
		images++
		got := make([]byte, m.Size())
		if _, err := m.ReadAt(got, 0); err != nil {
			t.Fatal(err)
		}
		eitherSectors(t, err.Error(), got, make([]byte, len(content)), content)
	})
	if images == 0 {
		t.Error("no image was ever left: nothing was tested")
	}
}

// TestEachFaultOfARawCopyIsTold fails every single call to either side of a
// conversion to a raw disk.
func TestEachFaultOfARawCopyIsTold(t *testing.T) {
	l := newLayered(t, oracle.Seed(t), 1<<20)
	for _, opts := range []*qedfile.ConvertOptions{{Workers: 1}, {CopyAll: true}} {
		convert := func(to backend.Storage, from backend.Reader) error {
			dst, err := qedfile.NewRaw(keepOpen{to})
			if err != nil {
				return err
			}
			src, err := qedfile.New(from, &qedfile.Options{Backing: backing(l.base.Clone())})
			if err != nil {
				return err
			}
			return errors.Join(qedfile.Convert(t.Context(), dst, src, opts), dst.Close())
		}
		told := func(_ *backend.Memory, err error) {
			if !errors.Is(err, backendtest.ErrInjected) {
				t.Fatalf("the caller got %v", err)
			}
		}
		eachFault(t, backend.NewMemory(nil), func(s backend.Storage) error { return convert(s, l.file.Clone()) }, told)
		eachFault(t, l.file, func(s backend.Storage) error { return convert(backend.NewMemory(nil), keepOpen{s}) }, told)
	}
}
