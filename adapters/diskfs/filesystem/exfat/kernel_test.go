package exfat_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/exfat"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// TestMain lets the tests run in a virtual machine too.
func TestMain(m *testing.M) { os.Exit(fstreetest.Main(m)) }

func open(r io.ReaderAt, size int64) (fs.FS, error) { return exfat.Open(r, size) }

func config(name string, size int64, mkfs ...string) fstreetest.Config {
	return fstreetest.Config{
		Name: "exfat-" + name, Size: size, Mkfs: append([]string{"mkfs.exfat"}, mkfs...),
		// Linux gives out inode numbers anew, and shows the time of the
		// mount for the root directory, which has none.
		Mount: "exfat", Opts: "umask=022", Fill: fstreetest.FillDOS, Skip: fstreetest.SkipIno,
		Adjust: func(r *fstreetest.Record) {
			if r.Path == "." {
				epoch := time.Unix(0, 0).UTC()
				r.Mtime, r.Atime, r.Ctime, r.Btime = &epoch, nil, nil, nil
			}
		},
	}
}

func large(c fstreetest.Config) fstreetest.Config {
	c.Large = true
	return c
}

func configs() []fstreetest.Config {
	crafted := config("crafted", 4<<20, "-c", "4K", "-b", "4096")
	crafted.Craft = craft
	all := []fstreetest.Config{
		crafted,
		config("cluster4k", 8<<20, "-L", "Ünïcode"),
		config("cluster512", 4<<20, "-c", "512", "-b", "4096"),
		large(config("packed", 32<<20, "-c", "8K", "--pack-bitmap", "-b", "64K")),
	}
	if oracle.Long() {
		all = append(all,
			large(config("default", 600<<20)),
			large(config("cluster256k", 300<<20, "-c", "256K", "-b", "4M")),
		)
	}
	return all
}

func TestTreeEqualsTheKernels(t *testing.T) {
	fstreetest.RunInGuest(t, []string{"exfat", "nls_utf8"}, configs(), open)
}

// The kernel's time_offset= is how many minutes the clock was ahead of UTC.
func TestTimesOfAZoneEqualTheKernels(t *testing.T) {
	c := large(config("zone", 8<<20))
	c.Opts = "time_offset=330,umask=022"
	zone := time.FixedZone("", 330*60)
	fstreetest.RunInGuest(t, []string{"exfat", "nls_utf8"}, []fstreetest.Config{c}, func(r io.ReaderAt, size int64) (fs.FS, error) {
		return exfat.OpenWith(r, size, &exfat.Options{Zone: zone})
	})
}

func TestInfoIsWhatTheToolsSay(t *testing.T) {
	for name, label := range map[string]string{"exfat-cluster4k": "Ünïcode", "exfat-cluster512": ""} {
		t.Run(name, func(t *testing.T) {
			image := fstreetest.Image(t, name)
			file := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(file, image, 0o600); err != nil {
				t.Fatal(err)
			}
			fsys, err := exfat.Open(bytes.NewReader(image), int64(len(image)))
			if err != nil {
				t.Fatal(err)
			}
			info := fsys.Info()
			if info.Label != label {
				t.Errorf("label %q, want %q", info.Label, label)
			}
			for field, got := range map[string]string{"UUID": info.UUID, "TYPE": info.Type} {
				want := strings.TrimSpace(oracle.Run(t, "blkid", "-p", "-o", "value", "-s", field, file))
				if got != want {
					t.Errorf("%s is %q, blkid says %q", field, got, want)
				}
			}
			said := oracle.Run(t, "dump.exfat", file)
			for field, got := range map[string]int64{"Total Clusters": info.Size / info.BlockSize, "Free Clusters": info.Free / info.BlockSize, "Cluster size": info.BlockSize} {
				_, value, ok := strings.Cut(said, field+":")
				value, _, _ = strings.Cut(strings.TrimSpace(value), "\n")
				if !ok || value != fmt.Sprint(got) {
					t.Errorf("%s: %d, dump.exfat says %q", field, got, value)
				}
			}
		})
	}
}
