package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/anchore/syft/syft/file"
	"github.com/anchore/syft/syft/pkg"
	"github.com/anchore/syft/syft/source"
	"github.com/anchore/syft/syft/source/directorysource"

	"github.com/qedfs/qedfs/adapters/diskfs/extract"
	"github.com/qedfs/qedfs/adapters/diskfs/guest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

const guests = "../../testdata/guest"

func TestPackagesOfSystems(t *testing.T) {
	for image, want := range map[string][]string{
		"debian.qed": {"base-files 12.4+deb12u5", "libc6 2.36-9+deb12u4"},
		"fedora.qed": nil,
		"alpine.qed": {"alpine-baselayout 3.4.3-r2", "musl 1.2.4_git20230717-r4"},
	} {
		t.Run(image, func(t *testing.T) {
			name := filepath.Join(guests, image)
			before := sum(t, name)
			var out bytes.Buffer
			err := scan(t.Context(), &out, name, imagefs.FormatQED)
			// What the guest's fstab names and the disk lacks may hide packages.
			if lacks := image != "alpine.qed"; (err != nil) != lacks || lacks && !errors.Is(err, fs.ErrNotExist) || errors.Is(err, errRPM) != (image == "fedora.qed") {
				t.Error(err)
			}
			var got []string
			for line := range strings.Lines(out.String()) {
				var f found
				if err := json.Unmarshal([]byte(line), &f); err != nil {
					t.Fatal(err)
				}
				got = append(got, f.Name+" "+f.Version)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q", got)
			}
			if sum(t, name) != before {
				t.Error("the image has changed")
			}
		})
	}
}

func sum(tb testing.TB, name string) [32]byte {
	tb.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	return sha256.Sum256(b)
}

// inventory is what syft says of packages, where it found them included.
func inventory(tb testing.TB, r file.Resolver) []string {
	tb.Helper()
	packages, err := catalog(tb.Context(), r)
	if err != nil {
		tb.Fatal(err)
	}
	var list []string
	for _, p := range packages {
		var licenses, where []string
		for _, l := range p.Licenses.ToSlice() {
			licenses = append(licenses, l.Value)
		}
		for _, l := range p.Locations.ToSlice() {
			where = append(where, l.RealPath)
		}
		list = append(list, fmt.Sprint(p.Name, p.Version, p.Type, p.PURL, p.CPEs, licenses, where, files(p)))
	}
	slices.Sort(list)
	return list
}

// files are those that a package owns.
func files(p pkg.Package) []string {
	if owner, ok := p.Metadata.(pkg.FileOwner); ok {
		return owner.OwnedFiles()
	}
	return nil
}

// ofDirectory is what syft says of a directory of the host.
func ofDirectory(tb testing.TB, dir string) []string {
	tb.Helper()
	src, err := directorysource.New(directorysource.Config{Path: dir, Base: dir})
	if err != nil {
		tb.Fatal(err)
	}
	defer src.Close()
	r, err := src.FileResolver(source.AllLayersScope)
	if err != nil {
		tb.Fatal(err)
	}
	return inventory(tb, r)
}

func TestTheInventoryIsThatOfTheExtractedFiles(t *testing.T) {
	for _, image := range []string{"debian.qed", "alpine.qed"} {
		t.Run(image, func(t *testing.T) {
			root := openRoot(t, filepath.Join(guests, image), imagefs.FormatQED)
			dir := t.TempDir()
			problem := func(path string, err error) { t.Logf("%s: %v", path, err) } // what fstab names and the disk lacks
			if err := extract.Copy(t.Context(), root, []string{"."}, dir, &extract.Options{Problem: problem}); err != nil {
				t.Log(err)
			}
			compare(t, inventory(t, NewResolver(t.Context(), root)), ofDirectory(t, dir))
		})
	}
}

func TestTheInventoryIsThatOfTheKernelsMount(t *testing.T) {
	oracle.Root(t)
	disk := oracle.File(t, filepath.Join(os.Getenv("QEDFS_DEBIAN_DISK"), "root.img"))
	before := sum(t, disk)
	dir := t.TempDir()
	oracle.Run(t, "mount", "-o", "ro,loop", disk, dir)
	defer oracle.Run(t, "umount", dir)
	root := openRoot(t, disk, imagefs.FormatRaw)
	got := inventory(t, NewResolver(t.Context(), root))
	if len(got) < 50 {
		t.Errorf("%d packages", len(got))
	}
	compare(t, got, ofDirectory(t, dir))
	if sum(t, disk) != before {
		t.Error("the image has changed")
	}
}

func openRoot(tb testing.TB, name string, format imagefs.Format) *guest.Root {
	tb.Helper()
	disk, err := imagefs.Open(name, &imagefs.Options{Format: format})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { disk.Close() })
	systems, err := guest.Find(disk)
	if err != nil {
		tb.Fatal(err)
	}
	return systems[0].Root()
}

func compare(tb testing.TB, got, want []string) {
	tb.Helper()
	if len(want) == 0 {
		tb.Error("syft finds nothing in the directory")
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			tb.Fatalf("%d packages, want %d; line %d: %.300q, want %.300q", len(got), len(want), i, got[min(i, len(got)-1):][:1], want[min(i, len(want)-1):][:1])
		}
	}
}
