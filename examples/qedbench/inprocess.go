package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/qedfile"
)

// inProcess is a side that is a function of this program.
func inProcess(name string, f func() error) side {
	return side{name: name, work: func() (int64, error) { return 0, f() }}
}

// readRows compares reads of an image with reads of the raw file: the same
// bytes, which are all there.
func (b *bench) readRows(each func(row) error) error {
	const size = gib
	image, err := b.halfQED(size)
	if err != nil {
		return err
	}
	rawName, err := b.half(size)
	if err != nil {
		return err
	}
	if err := errors.Join(cacheAnew(image), cacheAnew(rawName)); err != nil {
		return err
	}
	raw, err := os.Open(rawName)
	if err != nil {
		return err
	}
	defer raw.Close()
	img, err := qedfile.Open(image, nil)
	if err != nil {
		return err
	}
	defer img.Close()
	file, err := backend.OpenFile(image, os.O_RDONLY, nil)
	if err != nil {
		return err
	}
	defer file.Close()
	mappedImg, err := qedfile.New(backend.NewMapped(file, nil), nil)
	if err != nil {
		return err
	}
	random := func(name string, r readerAt, seed uint64) side {
		return inProcess(name, func() error { return randomReads(r, size, seed) })
	}
	two := func(name string, r readerAt) side {
		return inProcess(name, func() error {
			var wg sync.WaitGroup
			errs := make([]error, 2)
			for i := range errs {
				wg.Go(func() { errs[i] = randomReads(r, size, uint64(i)) })
			}
			wg.Wait()
			return errors.Join(errs...)
		})
	}
	return errors.Join(
		each(row{"4 KiB random reads", random("qedfile", img, 1), []opponent{{random("os.File on raw", raw, 1), 1.10}}}),
		each(row{"4 KiB random reads, mapped", random("qedfile", mappedImg, 1), []opponent{{random("os.File on raw", raw, 1), 0.5}}}),
		each(row{"4 KiB random reads, two goroutines do twice the work", two("qedfile", img), []opponent{
			{random("one goroutine", img, 1), 2 / 1.8},
			{two("two goroutines on raw (the limit)", raw), 99},
		}}),
		each(row{"1 MiB sequential reads",
			inProcess("qedfile", func() error { return sequentialReads(img, size) }),
			[]opponent{{inProcess("os.File on raw", func() error { return sequentialReads(raw, size) }), 1 / 0.97}}}),
	)
}

type readerAt interface {
	ReadAt(p []byte, off int64) (int, error)
}

// randomReads reads 200,000 blocks from the parts of a half disk that hold
// data.
func randomReads(r readerAt, size int64, seed uint64) error {
	rng, b := rand.New(rand.NewPCG(seed, 0)), make([]byte, 4096)
	for range 200000 {
		off := rng.Int64N(size/(64*mib))*64*mib + rng.Int64N(32*mib/4096)*4096
		if _, err := r.ReadAt(b, off); err != nil {
			return err
		}
	}
	return nil
}

func sequentialReads(r readerAt, size int64) error {
	b := make([]byte, mib)
	for range 4 {
		for off := int64(0); off < size; off += 64 * mib {
			for at := off; at < off+32*mib; at += mib {
				if _, err := r.ReadAt(b, at); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// allocate writes the first n bytes of an image in pieces of 64 KiB.
func allocate(name string, n int64) error {
	img, err := qedfile.Open(name, &qedfile.Options{Writable: true})
	if err != nil {
		return err
	}
	b := make([]byte, 64<<10)
	for i := range b {
		b[i] = byte(i)
	}
	for off := int64(0); off < n; off += int64(len(b)) {
		if _, err := img.WriteAt(b, off); err != nil {
			return errors.Join(err, img.Close())
		}
	}
	return img.Close()
}

// rootRow opens a 100 GiB image and lists its root, which is to take less than
// 2 ms and 40 reads.
func (b *bench) rootRow(each func(row) error) error {
	const maxReads = 40
	image, err := b.made("root-100.qed", func(path string) error {
		raw := path + ".raw"
		defer os.Remove(raw)
		return errors.Join(tool("truncate", "-s", "100G", raw), tool("mkfs.ext4", "-q", "-F", raw),
			tool("qemu-img", "convert", "-f", "raw", "-O", "qed", raw, path))
	})
	if err != nil {
		return err
	}
	return each(row{"open a 100 GiB image and list its root", inProcess("qeddiskfs", func() error {
		reads, err := listRoot(image)
		if err == nil && reads > maxReads {
			err = fmt.Errorf("%d reads", reads)
		}
		return err
	}), []opponent{{inProcess("2 ms", func() error { time.Sleep(2 * time.Millisecond); return nil }), 1}}})
}

// listRoot opens an image and lists the root of its only volume. It returns
// the number of reads that took.
func listRoot(name string) (reads int64, err error) {
	file, err := backend.OpenFile(name, os.O_RDONLY, nil)
	if err != nil {
		return 0, err
	}
	counter := backendtest.NewCounter(file)
	img, err := qedfile.New(counter, nil)
	if err != nil {
		return 0, err
	}
	d, err := imagefs.OpenDisk(img, nil)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	_, err = fs.ReadDir(d.FS(), "disk")
	return counter.Counts().Reads, err
}
