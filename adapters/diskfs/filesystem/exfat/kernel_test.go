package exfat_test

import (
	"io"
	"io/fs"
	"os"
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
	all := []fstreetest.Config{
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
