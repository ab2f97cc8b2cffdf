package treediff_test

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/adapters/diskfs/treediff"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

func openImage(tb testing.TB, image []byte) treediff.Side {
	tb.Helper()
	raw, err := qedfile.NewRaw(backend.NewMemory(image))
	if err != nil {
		tb.Fatal(err)
	}
	disk, err := imagefs.OpenDisk(raw, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return treediff.Side{Tree: disk.FS(), Root: "disk"}
}

// TestDifferencesAreThoseOfTheKernelsManifests makes the same comparison on
// what the kernel says of both filesystems.
func TestDifferencesAreThoseOfTheKernelsManifests(t *testing.T) {
	for _, pair := range [][2]string{
		{"ext4-1k", "ext4-1k"}, {"ext4-1k", "xfs-v5"}, {"ext2-4k", "btrfs"}, {"xfs-v5", "ext4-inline-data"},
	} {
		t.Run(pair[0]+" "+pair[1], func(t *testing.T) {
			imageA, a := fstreetest.Committed(t, pair[0])
			imageB, b := fstreetest.Committed(t, pair[1])
			got := []string{}
			for d, err := range treediff.Compare(t.Context(), openImage(t, imageA), openImage(t, imageB), &treediff.Options{}) {
				if err != nil {
					t.Errorf("%s: %v", d.Path, err)
					continue
				}
				got = append(got, describe(d))
			}
			want := expected(a, b)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("got %q\nwant %q", got, want)
			}
			if pair[0] == pair[1] && len(got) > 0 {
				t.Error("a filesystem differs from itself")
			}
		})
	}
}

func describe(d *treediff.Difference) string {
	switch {
	case d.B == nil:
		return "- " + d.Path
	case d.A == nil:
		return "+ " + d.Path
	}
	return "= " + d.Path + ": " + strings.Join(d.Fields, " ")
}

func expected(a, b []fstreetest.Record) []string {
	in := make(map[string]*fstreetest.Record)
	for i := range b {
		in[b[i].Path] = &b[i]
	}
	out := []string{}
	for i := range a {
		x, y := &a[i], in[a[i].Path]
		delete(in, x.Path)
		if y == nil {
			out = append(out, "- "+x.Path)
		} else if f := fields(x, y); len(f) > 0 {
			out = append(out, "= "+x.Path+": "+strings.Join(f, " "))
		}
	}
	for path := range in {
		out = append(out, "+ "+path)
	}
	slices.Sort(out)
	return out
}

func fields(x, y *fstreetest.Record) (f []string) {
	add := func(name string, differs bool) {
		if differs {
			f = append(f, name)
		}
	}
	m, n := fstree.UnixMode(x.Mode), fstree.UnixMode(y.Mode)
	add("type", m.Type() != n.Type())
	add("mode", m&^fs.ModeType != n&^fs.ModeType)
	add("uid", x.UID != y.UID)
	add("gid", x.GID != y.GID)
	add("rdev", x.Major != y.Major || x.Minor != y.Minor)
	add("mtime", !m.IsDir() && !x.Mtime.Equal(*y.Mtime))
	add("xattrs", !maps.EqualFunc(x.Xattrs, y.Xattrs, bytes.Equal))
	if m.IsRegular() {
		add("size", x.Size != y.Size)
		add("content", x.Size != y.Size || x.SHA256 != y.SHA256)
	}
	add("target", !bytes.Equal(x.Target, y.Target))
	return f
}

func TestADamagedFileIsAnErrorAndTheRestIsCompared(t *testing.T) {
	image := fstreetest.Image(t, "ext4-1k")
	damaged := slices.Clone(image)
	// The checksums of directory blocks no longer fit.
	damaged = bytes.ReplaceAll(damaged, []byte("in the middle"), []byte("in the muddle"))
	if bytes.Equal(image, damaged) {
		t.Fatal("nothing was damaged")
	}
	errs, removed := 0, 0
	for d, err := range treediff.Compare(t.Context(), openImage(t, image), openImage(t, damaged), &treediff.Options{}) {
		switch {
		case err != nil:
			errs++
			if !errors.Is(err, fstree.ErrDamaged) {
				t.Error(err)
			}
		case d.B == nil:
			removed++
		default:
			t.Errorf("%s", describe(d))
		}
	}
	if errs == 0 || removed == 0 {
		t.Errorf("%d errors, %d files gone", errs, removed)
	}
}
