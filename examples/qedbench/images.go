package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

// made returns the path of a file that is made once and kept.
func (b *bench) made(name string, make func(path string) error) (string, error) {
	path := filepath.Join(b.dir, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fmt.Fprintf(os.Stderr, "making %s\n", name)
	part := path + ".part"
	if err := make(part); err != nil {
		return "", err
	}
	return path, os.Rename(part, path)
}

// cacheAnew has the page cache drop a file and read it from end to end. What a
// cached read costs depends on the sizes of the pages that hold the file, and
// these on how it was written: it differs by a fifth between files that Go and
// qemu-img wrote. Files that are compared must have come there the same way.
func cacheAnew(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return err
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return fmt.Errorf("drop %s from the page cache: %w", path, err)
	}
	_, err = io.Copy(io.Discard, f)
	return err
}

// half is a raw disk where every other 32 MiB hold data.
func (b *bench) half(size int64) (string, error) {
	return b.made(fmt.Sprintf("half-%d.raw", size/mib), func(path string) error {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := f.Truncate(size); err != nil {
			return err
		}
		rng, block := rand.NewChaCha8([32]byte{1}), make([]byte, 32*mib)
		for off := int64(0); off < size; off += 64 * mib {
			rng.Read(block)
			if _, err := f.WriteAt(block[:min(int64(len(block)), size-off)], off); err != nil {
				return err
			}
		}
		return f.Close()
	})
}

// halfQED is the same disk as an image that qemu-img made.
func (b *bench) halfQED(size int64) (string, error) {
	raw, err := b.half(size)
	if err != nil {
		return "", err
	}
	return b.made(fmt.Sprintf("half-%d.qed", size/mib), func(path string) error {
		return tool("qemu-img", "convert", "-f", "raw", "-O", "qed", raw, path)
	})
}

// empty is an image without data.
func (b *bench) empty(size int64) (string, error) {
	return b.made(fmt.Sprintf("empty-%d.qed", size/gib), func(path string) error {
		return tool("qemu-img", "create", "-q", "-f", "qed", path, fmt.Sprint(size))
	})
}

// clusters is an image with that many clusters of 4 KiB allocated.
func (b *bench) clusters(n int64) (string, error) {
	return b.made(fmt.Sprintf("clusters-%d.qed", n), func(path string) error {
		raw := path + ".raw"
		defer os.Remove(raw)
		f, err := os.Create(raw)
		if err != nil {
			return err
		}
		defer f.Close()
		block := make([]byte, 4*mib)
		for i := range block {
			block[i] = byte(i) | 1
		}
		for left := n * 4096; left > 0; left -= int64(len(block)) {
			if _, err := f.Write(block[:min(left, int64(len(block)))]); err != nil {
				return err
			}
		}
		if err := f.Close(); err != nil {
			return err
		}
		return tool(b.qed, "convert", "-f", "raw", "-O", "qed", "-o", "cluster_size=4096,table_size=16", raw, path)
	})
}

// files is a filesystem, alone on a disk, with n files in directories of a
// hundred. A quarter is empty, the rest has size bytes on average: a raw disk for those who mount it, and the same as an image.
func (b *bench) files(kind string, n int, size int64) (raw, qed string, err error) {
	name := fmt.Sprintf("%s-%d-%d", kind, n, size)
	raw, err = b.made(name+".raw", func(path string) error { return b.makeFiles(path, kind, n, size) })
	if err != nil {
		return "", "", err
	}
	qed, err = b.made(name+".qed", func(path string) error {
		return tool("qemu-img", "convert", "-f", "raw", "-O", "qed", raw, path)
	})
	return raw, qed, err
}

func (b *bench) makeFiles(path, kind string, n int, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	volume := max(512*mib, int64(n)*(size*2+4096))
	if err := f.Truncate(volume); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	perInode := min(8192, volume/int64(n)/2) // twice as many inodes as files
	mkfs := []string{"mkfs.ext4", "-q", "-F", "-i", fmt.Sprint(perInode), path}
	if kind == "xfs" {
		mkfs = []string{"mkfs.xfs", "-q", "-f", path}
	}
	if err := tool(mkfs...); err != nil {
		return err
	}
	return b.mounted(path, kind, "loop", func(mnt string) error {
		rng := rand.New(rand.NewPCG(1, 2))
		contents := make([]byte, 4*size+1)
		rand.NewChaCha8([32]byte{2}).Read(contents)
		for i := range n {
			dir := filepath.Join(mnt, fmt.Sprintf("directory %d", i/10000), fmt.Sprintf("%d", i/100))
			if i%100 == 0 {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return err
				}
			}
			length := int64(0)
			if i%4 != 0 && size > 0 {
				length = rng.Int64N(size * 8 / 3)
			}
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file number %d.txt", i)), contents[:length], 0o644); err != nil {
				return err
			}
		}
		return nil
	})
}

// mounted runs work while the kernel has an image mounted.
func (b *bench) mounted(image, kind, opts string, work func(mnt string) error) error {
	mnt, err := os.MkdirTemp(b.dir, "mnt")
	if err != nil {
		return err
	}
	defer os.Remove(mnt)
	if err := tool("mount", "-t", kind, "-o", opts, image, mnt); err != nil {
		return err
	}
	workErr := work(mnt)
	if err := tool("umount", mnt); err != nil {
		return err
	}
	return workErr
}
