package fat_test

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

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fat"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// TestMain lets the tests run in a virtual machine too.
func TestMain(m *testing.M) { os.Exit(fstreetest.Main(m)) }

func open(r io.ReaderAt, size int64) (fs.FS, error) { return fat.Open(r, size) }

// Linux gives out the inode numbers of FAT anew whenever it reads a file, and
// knows no holes in it.
const skip = fstreetest.SkipIno

const mountOptions = "tz=UTC,utf8,codepage=437,umask=022"

func config(name string, size int64, mkfs ...string) fstreetest.Config {
	return fstreetest.Config{
		Name: "fat-" + name, Size: size, Mkfs: append([]string{"mkfs.fat", "-i", "12AB34CD"}, mkfs...),
		Mount: "vfat", Opts: mountOptions, Skip: skip, Fill: fstreetest.FillDOS,
	}
}

func large(c fstreetest.Config) fstreetest.Config {
	c.Large = true
	return c
}

// configs are the geometries that mkfs.fat makes.
func configs() []fstreetest.Config {
	crafted := config("crafted", 2<<20, "-F", "12", "-s", "1", "-n", "ON THE DISK")
	crafted.Craft = craft
	all := []fstreetest.Config{
		crafted,
		config("12-floppy", 2880<<10, "-F", "12", "-n", "FLOPPY"),
		config("12-sector4096", 4<<20, "-F", "12", "-S", "4096"),
		config("16", 16<<20, "-F", "16", "-s", "2", "-R", "7", "-h", "63", "-f", "1"),
		config("32", 34<<20, "-F", "32", "-s", "1"),
		large(config("12-fat4", 8<<20, "-F", "12", "-f", "4", "-r", "1024", "-a")),
		large(config("16-atari", 16<<20, "-A")),
		large(config("16-sector1024", 24<<20, "-F", "16", "-S", "1024", "-s", "1")),
		large(config("32-few-clusters", 64<<20, "-F", "32", "-s", "64", "-R", "99")),
	}
	if oracle.Long() {
		all = append(all,
			large(config("16-cluster64k", 300<<20, "-F", "16", "-s", "128")),
			large(config("32-sector2048", 160<<20, "-F", "32", "-S", "2048", "-s", "1", "-b", "9")),
			large(config("32-mbr", 300<<20, "-F", "32", "--mbr=y")),
			large(config("32-cluster512k", 512<<20, "-F", "32", "-S", "4096", "-s", "128")),
		)
	}
	return all
}

func TestTreeEqualsTheKernels(t *testing.T) {
	fstreetest.RunInGuest(t, []string{"vfat", "nls_cp437", "nls_ascii", "nls_utf8"}, configs(), open)
}

// The kernel's time_offset= is how many minutes the clock was ahead of UTC.
func TestTimesOfAZoneEqualTheKernels(t *testing.T) {
	c := large(config("zone", 4<<20, "-F", "12"))
	c.Opts = "time_offset=330,utf8,codepage=437,umask=022"
	zone := time.FixedZone("", 330*60)
	fstreetest.RunInGuest(t, []string{"vfat", "nls_cp437", "nls_ascii", "nls_utf8"}, []fstreetest.Config{c}, func(r io.ReaderAt, size int64) (fs.FS, error) {
		return fat.OpenWith(r, size, &fat.Options{Zone: zone})
	})
}

func TestInfoIsWhatTheToolsSay(t *testing.T) {
	for _, name := range []string{"fat-12-floppy", "fat-16", "fat-32", "fat-crafted"} {
		t.Run(name, func(t *testing.T) {
			image := fstreetest.Image(t, name)
			file := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(file, image, 0o600); err != nil {
				t.Fatal(err)
			}
			fsys, err := fat.Open(bytes.NewReader(image), int64(len(image)))
			if err != nil {
				t.Fatal(err)
			}
			info := fsys.Info()
			for field, got := range map[string]string{"UUID": info.UUID, "LABEL": info.Label, "TYPE": info.Type} {
				want := strings.TrimSpace(oracle.Run(t, "blkid", "-p", "-o", "value", "-s", field, file))
				if got != want {
					t.Errorf("%s is %q, blkid says %q", field, got, want)
				}
			}
			if name == "fat-crafted" {
				return // fsck finds it as odd as it is
			}
			said := oracle.Run(t, "fsck.fat", "-n", file) // "...: 272 files, 643/16332 clusters"
			var used, total int64
			if _, err := fmt.Sscanf(said[strings.LastIndex(said, ",")+1:], "%d/%d", &used, &total); err != nil {
				t.Fatalf("%v in %q", err, said)
			}
			if info.Size != total*info.BlockSize || info.Free != (total-used)*info.BlockSize {
				t.Errorf("%d of %d clusters free, fsck.fat says %d", info.Free/info.BlockSize, info.Size/info.BlockSize, total-used)
			}
		})
	}
}

func TestListingTheRootTakesFewReads(t *testing.T) {
	image := fstreetest.Image(t, "fat-32")
	r := &counter{ReaderAt: bytes.NewReader(image)}
	fsys, err := fat.Open(r, int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fsys.ReadDir("."); err != nil {
		t.Fatal(err)
	}
	if r.reads != 4 { // the boot sector, the table, the directory in two places
		t.Errorf("%d reads to list the root", r.reads)
	}
	if _, err := fsys.ReadFile("names/ΓΣΩ"); err != nil {
		t.Fatal(err)
	}
	if r.reads > 6 {
		t.Errorf("%d reads with one small file", r.reads)
	}
}

// counter counts reads of a test that has no other goroutines.
type counter struct {
	io.ReaderAt
	reads int
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	return c.ReaderAt.ReadAt(p, off)
}
