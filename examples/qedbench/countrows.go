package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/spf13/afero"

	qedafero "github.com/qedfs/qedfs/adapters/afero"
	"github.com/qedfs/qedfs/adapters/diskfs/archive"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/adapters/source"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/qedfile"
)

// countedKinds are the filesystems whose storage is watched.
var countedKinds = []string{"ext4", "xfs", "btrfs", "ntfs", "fat32", "exfat", "iso", "erofs", "squashfs-gzip"}

// counted calls use with a raw image's disk and the counter beneath it.
func counted(image string, use func(d *imagefs.Disk, c *backendtest.Counter) error) error {
	file, err := backend.OpenFile(image, os.O_RDONLY, nil)
	if err != nil {
		return err
	}
	c := backendtest.NewCounter(file)
	raw, err := qedfile.NewRaw(c)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	d, err := imagefs.OpenDisk(raw, nil)
	if err != nil {
		return err
	}
	return errors.Join(use(d, c), d.Close())
}

// walkAll goes through the tree with what the inodes say. It returns the bytes
// that the files' contents take on the disk.
func walkAll(d *imagefs.Disk) (stored int64, err error) {
	for e, err := range d.FS().Walk(context.Background(), "disk", &fstree.WalkOptions{Stat: true}) {
		if err != nil {
			return 0, err
		}
		st, err := e.Stat()
		if err != nil {
			return 0, err
		}
		if st.Mode.IsRegular() {
			stored += min(st.Size, st.Blocks*512)
		}
	}
	return stored, nil
}

// storageCounts are the bytes and reads that reach the storage.
func (b *bench) storageCounts() (rows []count, err error) {
	for _, kind := range countedKinds {
		rows = append(rows, count{"bytes read for the tar of 20,000 files, " + kind, "the files' own bytes", 1.1, func() (ours, theirs float64, err error) {
			image, err := b.treeImage(kind)
			if err != nil {
				return 0, 0, err
			}
			var own int64
			err = counted(image, func(d *imagefs.Disk, _ *backendtest.Counter) error { own, err = walkAll(d); return err })
			if err != nil {
				return 0, 0, err
			}
			err = counted(image, func(d *imagefs.Disk, c *backendtest.Counter) error {
				err := archive.Write(context.Background(), io.Discard, d.FS(), "disk", nil)
				ours = float64(c.Counts().ReadBytes)
				return err
			})
			return ours, float64(own), err
		}})
	}
	walk := func(value func(backendtest.Counts) int64, theirs float64) func() (float64, float64, error) {
		return func() (ours, _ float64, err error) {
			image, err := b.treeImage("ntfs")
			if err != nil {
				return 0, 0, err
			}
			err = counted(image, func(d *imagefs.Disk, c *backendtest.Counter) error {
				_, err := walkAll(d)
				ours = float64(value(c.Counts()))
				return err
			})
			return ours, theirs, err
		}
	}
	rows = append(rows,
		count{"reads of a walk of 20,000 files, ntfs", "60", 1, walk(func(c backendtest.Counts) int64 { return c.Reads }, 60)},
		count{"bytes of a walk of 20,000 files, ntfs", "1 KiB of MFT a file and 3 KiB of index for each 20", 1.5,
			walk(func(c backendtest.Counts) int64 { return c.ReadBytes }, treeFiles*(1024+3*1024/20))},
		count{"bytes of 1,000 stats in a directory of 200,000, ext4", "8 KiB each", 1, b.statsInLargeDirectory})
	return rows, nil
}

// statsInLargeDirectory counts the bytes of looking 1,000 files up at random.
func (b *bench) statsInLargeDirectory() (ours, theirs float64, err error) {
	const files, stats = 200000, 1000
	image, err := b.made("large-directory.ext4", func(path string) error {
		if err := errors.Join(tool("truncate", "-s", "1G", path), tool("mkfs.ext4", "-q", "-F", "-N", "220000", path)); err != nil {
			return err
		}
		return b.mounted(path, "ext4", "loop", func(mnt string) error {
			dir := filepath.Join(mnt, "d")
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
			for i := range files {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file number %d", i)), nil, 0o644); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return 0, 0, err
	}
	err = counted(image, func(d *imagefs.Disk, c *backendtest.Counter) error {
		if _, err := d.FS().Stat("disk/d"); err != nil {
			return err
		}
		c.Reset()
		rng := rand.New(rand.NewPCG(3, 4))
		for range stats {
			if _, err := d.FS().Stat(fmt.Sprintf("disk/d/file number %d", rng.IntN(files))); err != nil {
				return err
			}
		}
		ours = float64(c.Counts().ReadBytes)
		return nil
	})
	return ours, stats * 8192, err
}

// tableCounts are reads of 4 KiB in an image whose tables are seven times what
// the cache holds.
func (b *bench) tableCounts() ([]count, error) {
	const n, reads = 1000000, 20000
	run := func() (counts backendtest.Counts, err error) {
		image, err := b.clusters(n)
		if err != nil {
			return counts, err
		}
		file, err := backend.OpenFile(image, os.O_RDONLY, nil)
		if err != nil {
			return counts, err
		}
		c := backendtest.NewCounter(file)
		img, err := qedfile.New(c, &qedfile.Options{CacheBytes: n * 8 / 7})
		if err != nil {
			return counts, errors.Join(err, file.Close())
		}
		rng, p := rand.New(rand.NewPCG(5, 6)), make([]byte, 4096)
		read := func(times int) error {
			for range times {
				if _, err := img.ReadAt(p, rng.Int64N(n)*4096); err != nil {
					return err
				}
			}
			return nil
		}
		err = read(reads) // until the cache is full
		c.Reset()
		err = errors.Join(err, read(reads))
		counts = c.Counts()
		return counts, errors.Join(err, img.Close())
	}
	return []count{
		{"reads of tables for a read of 4 KiB, tables of 7 caches", "1", 1, func() (float64, float64, error) {
			c, err := run()
			return float64(c.Reads)/reads - 1, 1, err
		}},
		{"bytes of tables for a read of 4 KiB, tables of 7 caches", "4 KiB", 1, func() (float64, float64, error) {
			c, err := run()
			return float64(c.ReadBytes)/reads - 4096, 4096, err
		}},
	}, nil
}

// allocationCounts are allocations of fs.WalkDir, alone and with the contents.
func (b *bench) allocationCounts() (rows []count, err error) {
	for _, kind := range countedKinds {
		for _, c := range []struct {
			name   string
			theirs float64
			walk   func(fs.FS) error
		}{
			{"WalkDir", 2, func(fsys fs.FS) error {
				return fs.WalkDir(fsys, ".", func(_ string, _ fs.DirEntry, err error) error { return err })
			}},
			{"WalkDir and ReadFile", 6, func(fsys fs.FS) error {
				return fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
					if err == nil && d.Type().IsRegular() {
						_, err = fs.ReadFile(fsys, path)
					}
					return err
				})
			}},
		} {
			rows = append(rows, count{"allocations a file, " + c.name + ", " + kind, fmt.Sprint(c.theirs), 1, func() (float64, float64, error) {
				n, _, err := b.walked(kind, c.walk)
				return n, c.theirs, err
			}})
		}
	}
	rows = append(rows, count{"afero.Walk, ext4, seconds", "fs.WalkDir with Info", 1.5, func() (ours, theirs float64, err error) {
		for range leastRuns {
			_, a, err := b.walked("ext4", func(fsys fs.FS) error {
				return afero.Walk(qedafero.New(fsys), ".", func(_ string, _ fs.FileInfo, err error) error { return err })
			})
			if err != nil {
				return 0, 0, err
			}
			_, w, err := b.walked("ext4", func(fsys fs.FS) error {
				return fs.WalkDir(fsys, ".", func(_ string, d fs.DirEntry, err error) error {
					if err == nil {
						_, err = d.Info()
					}
					return err
				})
			})
			if err != nil {
				return 0, 0, err
			}
			if ours == 0 || a.Seconds() < ours {
				ours = a.Seconds()
			}
			if theirs == 0 || w.Seconds() < theirs {
				theirs = w.Seconds()
			}
		}
		return ours, theirs, nil
	}})
	return rows, nil
}

// walked returns the allocations a file and the processor time of a walk
// through the volume of an image.
func (b *bench) walked(kind string, walk func(fs.FS) error) (allocations float64, cpu time.Duration, err error) {
	image, err := b.treeImage(kind)
	if err != nil {
		return 0, 0, err
	}
	err = counted(image, func(d *imagefs.Disk, _ *backendtest.Counter) error {
		v, err := d.Volume("disk")
		if err != nil {
			return err
		}
		fsys, err := v.FS()
		if err != nil {
			return err
		}
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := used()
		err = walk(fsys)
		cpu = used() - start
		runtime.ReadMemStats(&after)
		allocations = float64(after.Mallocs-before.Mallocs) / treeFiles
		return err
	})
	return allocations, cpu, err
}

// requestCounts are the requests of a walk over HTTP.
func (b *bench) requestCounts() (rows []count, err error) {
	for _, kind := range countedKinds {
		rows = append(rows, count{"requests of a walk of 20,000 files over HTTP, " + kind, "25", 1, func() (float64, float64, error) {
			n, err := b.walkRequests(kind)
			return float64(n), 25, err
		}})
	}
	return rows, nil
}

func (b *bench) walkRequests(kind string) (int64, error) {
	image, err := b.treeImage(kind)
	if err != nil {
		return 0, err
	}
	var requests atomic.Int64
	files := http.FileServer(http.Dir(b.dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		time.Sleep(5 * time.Millisecond) // so that what is asked for at once is there at once
		files.ServeHTTP(w, r)
	}))
	defer server.Close()
	o, err := source.New(nil)
	if err != nil {
		return 0, err
	}
	defer o.Close()
	src, err := o.Open(context.Background(), server.URL+"/"+filepath.Base(image), nil)
	if err != nil {
		return 0, err
	}
	raw, err := qedfile.NewRaw(src)
	if err != nil {
		return 0, errors.Join(err, src.Close())
	}
	d, err := imagefs.OpenDisk(raw, nil)
	if err != nil {
		return 0, err
	}
	_, err = walkAll(d)
	return requests.Load(), errors.Join(err, d.Close())
}
